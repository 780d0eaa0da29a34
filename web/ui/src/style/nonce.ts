/** What lets the libraries' own style sheets in under the content policy; new with every loading of the page. */

/** Undefined where the page was not served by a gateway, as in tests. */
export const STYLE_NONCE = document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content;
