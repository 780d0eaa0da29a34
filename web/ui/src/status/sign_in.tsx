/** What who is signed out sees: how to get in, and a place for a token. */

import "./sign_in.css";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Api, Problem } from "../protocol/api";
import { usePage } from "../state/page";
import { isSignedOut } from "./standing";

export function SignIn() {
  return isSignedOut(usePage().stream.link.value) ? <SignInDialog /> : null;
}

function SignInDialog() {
  const page = usePage();
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => whenSignedInElsewhere(page.api, () => page.stream.open()), [page]);

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const field = new FormData(event.currentTarget as HTMLFormElement).get("token");
    const token = String(field ?? "").trim();
    if (token === "" || busy) {
      setProblem(token === "" ? "Paste a token first." : "");
      return;
    }
    setBusy(true);
    setProblem("");
    try {
      await page.api.signIn(token);
      page.stream.open();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error.message);
    } finally {
      setBusy(false);
    }
  };

  return (
    // Behind it is nothing to go back to.
    <dialog
      ref={dialog}
      class="dialog sign-in"
      aria-labelledby="sign-in-title"
      onCancel={(event) => event.preventDefault()}
      // A second Escape, or a phone's way back, closes it all the same.
      onClose={() => dialog.current?.showModal()}
    >
      <form onSubmit={submit}>
        <h2 id="sign-in-title">Sign in</h2>
        <p>
          Open the link that <code>flowtape up</code> or <code>flowtape token --link</code> prints. This page
          goes on as soon as you come back to it.
        </p>
        <p>
          Or paste a token, which <code>flowtape token</code> prints on its last line.
        </p>
        <label for="sign-in-token">Token</label>
        <input
          id="sign-in-token"
          class="field"
          name="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          aria-describedby="sign-in-problem"
          aria-invalid={problem !== ""}
        />
        <p id="sign-in-problem" class="sign-in-problem" role="alert">
          {problem}
        </p>
        <button type="submit" class="button primary" aria-disabled={busy}>
          {busy ? "Signing in" : "Sign in"}
        </button>
      </form>
    </dialog>
  );
}

/** Somebody who comes back may have signed in with a link, in another tab of the browser. */
function whenSignedInElsewhere(api: Api, then: () => void): () => void {
  const look = async () => {
    if (document.visibilityState !== "visible") return;
    // Whatever the gateway says against it, the dialog stays.
    const session = await api.session().catch(() => null);
    if (session !== null && !over) then();
  };
  let over = false;
  document.addEventListener("visibilitychange", look);
  return () => {
    over = true;
    document.removeEventListener("visibilitychange", look);
  };
}
