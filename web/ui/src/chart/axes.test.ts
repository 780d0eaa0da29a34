import type uPlot from "uplot";
import { describe, expect, it } from "vitest";
import { aroundPrints, moneyMark, timeMarks } from "./axes";

describe("marks of the axes", () => {
  it("are New York times, with the day where one begins", () => {
    const midnight = Date.UTC(2026, 10, 20, 5, 0, 0);
    const hour = 3_600_000;
    expect(timeMarks([midnight - 4 * hour, midnight, midnight + 10.5 * hour])).toEqual([
      "20:00",
      "Nov 20",
      "10:30",
    ]);
  });

  it("have seconds where they are near each other", () => {
    const noon = Date.UTC(2026, 10, 20, 17, 0, 0);
    expect(timeMarks([noon, noon + 30_000])).toEqual(["12:00:00", "12:00:30"]);
  });

  it("are dollars without empty digits", () => {
    expect([0, 1_200_000, -500_000, 2_000_000, 12_500_000, 250].map(moneyMark)).toEqual([
      "$0",
      "$1.2M",
      "-$500K",
      "$2M",
      "$12.5M",
      "$250",
    ]);
  });
});

describe("the times around prints", () => {
  const around = (...times: number[]) => aroundPrints({ data: [times] } as unknown as uPlot);

  it("leave room at both ends", () => {
    expect(around(1_000_000, 2_000_000)).toEqual([970_000, 2_030_000]);
  });

  it("have a single print in the middle", () => {
    expect(around(1_000_000)).toEqual([995_000, 1_005_000]);
  });
});
