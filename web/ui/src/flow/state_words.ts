/** What the pictures say of themselves: what they show, until when, and why they are old. */

import { clock, count, money } from "../format";
import type { Answered } from "../polling/poll";
import type { Problem, Stats } from "../protocol/api";
import type { StatsQuestion } from "./stats_feed";

/** A sum over more trades than the gateway adds up is refused in the name of this parameter. */
const WINDOW = "window";

const MINUTE_S = 60;

/** `12,345 trades · $45.2M · until 15:31:02 New York, 15 min behind`. */
export function shownWords(stats: Stats, delayS: number): string {
  const trades = stats.trades === 1 ? "1 trade" : `${count(stats.trades)} trades`;
  const behind = delayS > 0 ? `, ${delayWords(delayS)} behind` : "";
  return `${trades} · ${money(stats.premium)} · until ${clock(stats.to)} New York${behind}`;
}

/** Why the pictures are not those of now, and what to do; null where they are. */
export function troubleWords(
  problem: Problem | null,
  question: StatsQuestion | null,
  answer: Answered<StatsQuestion, Stats> | null,
): string | null {
  if (problem === null || question === null) return null;
  const former =
    answer === null
      ? ""
      : ` Shown is ${
          answer.question.q === question.q ? "" : `“${answer.question.q}”, `
        }${answer.question.window} until ${clock(answer.value.to)}.`;
  return why(problem, question) + former;
}

function why(problem: Problem, question: StatsQuestion): string {
  if (problem.status === 400 && problem.field === WINDOW)
    return `Too many trades in ${question.window} to add up: choose a shorter window, or narrow the filter.`;
  if (problem.status === 0) return "The gateway does not answer; it is asked again.";
  if (problem.status === 429) return "Asked too often; the pictures go on in a moment.";
  if (problem.status === 503)
    return `The gateway could not add up ${question.window} in time; it is asked again. A shorter window is quicker.`;
  return problem.message;
}

function delayWords(seconds: number): string {
  return seconds % MINUTE_S === 0 ? `${seconds / MINUTE_S} min` : `${seconds} s`;
}
