import { render } from "preact";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Fault } from "./fault";

let broken = true;

function Part() {
  if (broken) throw new Error("no grid");
  return <b>well</b>;
}

describe("Fault", () => {
  afterEach(() => vi.restoreAllMocks());

  it("says what failed, and shows the part again when it is asked to", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const root = document.createElement("div");
    render(
      <Fault part="The table">
        <Part />
      </Fault>,
      root,
    );
    await vi.waitFor(() => expect(root.textContent).toContain("The table failed: no grid."));
    expect(logged).toHaveBeenCalledOnce();
    broken = false;
    root.querySelector("button")?.click();
    await vi.waitFor(() => expect(root.textContent).toBe("well"));
  });
});
