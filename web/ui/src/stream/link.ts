/** Where the connection to the gateway stands, as the page shows it. */

export type Link =
  | { readonly kind: "connecting" }
  | { readonly kind: "open" }
  /** `retryAt`: unix ms of the next attempt; null while one runs. */
  | {
      readonly kind: "waiting";
      readonly attempt: number;
      readonly retryAt: number | null;
      readonly why: string;
    }
  /** Connecting again would not help: sign in, or close another page. */
  | { readonly kind: "refused"; readonly code: number; readonly why: string }
  | { readonly kind: "closed" };
