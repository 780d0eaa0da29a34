/** The order of tabs: as it was left, and what is not in it by name behind. */

/** `names` in the order that `order` says; the ones it does not say follow by name. */
export function inOrder(names: readonly string[], order: readonly string[]): string[] {
  const place = new Map(order.map((name, index) => [name, index]));
  const last = order.length;
  return [...names].sort((a, b) => {
    const byPlace = (place.get(a) ?? last) - (place.get(b) ?? last);
    return byPlace || a.localeCompare(b);
  });
}

/** `list` with `item` at another place; a place beyond the ends is the end. */
export function moved<T>(list: readonly T[], item: T, to: number): T[] {
  const rest = list.filter((each) => each !== item);
  rest.splice(Math.max(0, Math.min(to, rest.length)), 0, item);
  return rest;
}
