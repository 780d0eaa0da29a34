/** Where the connection to the gateway stands. */

export type Link =
  /** The first attempt runs. */
  | { readonly kind: "connecting" }
  | { readonly kind: "open" }
  /** `retryAt`: unix ms of the next attempt; null while one runs. */
  | {
      readonly kind: "waiting";
      readonly attempt: number;
      readonly retryAt: number | null;
      readonly why: string;
    }
  /** Connecting again would not help; `code` is the close code. */
  | { readonly kind: "refused"; readonly code: number; readonly why: string }
  /** Ended by the page itself. */
  | { readonly kind: "closed" };

/** The gateway cannot read the tape: what it said, and when, unix ms. */
export interface SourceAway {
  readonly message: string;
  readonly since: number;
}
