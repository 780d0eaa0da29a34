import { expect, it } from "vitest";
import { chipElements, emphasisOf, flagsOf } from "./flags";
import { trade } from "./trade.fixture";

it("puts first what takes a trade back, then what makes it notable", () => {
  const flags = ["iso", "large_premium", "golden", "synthetic", "sweep", "cancelled"];
  expect(flagsOf(trade("a", 1, { flags }), false)).toBe("cancelled golden sweep large_premium iso");
});

it("says of a struck row that it left the filter, unless it was cancelled", () => {
  expect(flagsOf(trade("a", 1, { flags: ["sweep"] }), true)).toBe("left sweep");
  expect(flagsOf(trade("a", 1, { flags: ["cancelled"] }), true)).toBe("cancelled");
});

it("shows a flag of a newer gateway by its name", () => {
  const chips = chipElements(flagsOf(trade("a", 1, { flags: ["comet", "sweep"] }), false));
  expect([...chips.children].map((chip) => chip.textContent)).toEqual(["sweep", "comet"]);
});

it("lets the strongest of golden, sweep and large stand out alone", () => {
  const of = (...flags: string[]) => emphasisOf(trade("a", 1, { flags }));
  expect(of("large_premium", "sweep", "golden")).toBe("golden");
  expect(of("large_premium", "sweep")).toBe("sweep");
  expect(of("large_premium")).toBe("large");
  expect(of("iso")).toBeNull();
});
