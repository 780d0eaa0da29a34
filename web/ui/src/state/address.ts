/** The page's address: the filter and the channel that it says, so that a view can be sent to somebody. */

/** What every link id begins with, and no channel's name. */
export const LINK_PREFIX = "ftlink_";

export interface Address {
  /** The filter's text; null where the address says none. */
  readonly q: string | null;
  /** The name of a saved channel, or the link id of a shared one; null is the free filter. */
  readonly channel: string | null;
}

export function isLink(channel: string): boolean {
  return channel.startsWith(LINK_PREFIX);
}

/** `search` as `location.search` has it. */
export function readAddress(search: string): Address {
  const words = new URLSearchParams(search);
  return { q: words.get("q") || null, channel: words.get("channel") || null };
}

/** The address below the origin. Every trade of no channel is `/`. */
export function writeAddress({ q, channel }: Address): string {
  const words: string[] = [];
  if (channel !== null) words.push(`channel=${readable(channel)}`);
  if (q !== null && (q !== "*" || channel !== null)) words.push(`q=${readable(q)}`);
  return words.length ? `/?${words.join("&")}` : "/";
}

/** Escapes what an address must, and leaves readable what it may: `SPY,QQQ+side:ask`. */
function readable(text: string): string {
  return encodeURIComponent(text)
    .replaceAll("%20", "+")
    .replaceAll("%2C", ",")
    .replaceAll("%3A", ":")
    .replaceAll("%3D", "=");
}
