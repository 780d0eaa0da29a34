/** Net premium of calls and of puts over a window, added up from its beginning. */

import type { Stats } from "../protocol/api";

/** Dollars at each time (unix ms): what was bought so far minus what was sold. */
export interface NetPremium {
  readonly times: readonly number[];
  readonly calls: readonly number[];
  readonly puts: readonly number[];
}

/** From zero where the window begins; one more point than the series has parts. */
export function netPremium(stats: Pick<Stats, "after" | "series">): NetPremium {
  const times = [stats.after];
  const calls = [0];
  const puts = [0];
  let call = 0;
  let put = 0;
  for (const part of stats.series) {
    call += part.net_call_premium;
    put += part.net_put_premium;
    times.push(part.to);
    calls.push(call);
    puts.push(put);
  }
  return { times, calls, puts };
}

/** Every n-th point and the last: what a table read aloud can hold. */
export function outline(net: NetPremium, rows: number): { time: number; calls: number; puts: number }[] {
  const last = net.times.length - 1;
  const step = Math.max(1, Math.ceil(last / rows));
  const picked = [];
  for (let index = last; index > 0; index -= step) {
    picked.push({
      time: net.times[index] as number,
      calls: net.calls[index] as number,
      puts: net.puts[index] as number,
    });
  }
  return picked.reverse();
}
