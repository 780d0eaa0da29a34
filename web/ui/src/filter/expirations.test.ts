import { expect, test } from "vitest";
import { expirationPresets } from "./expirations";

const ranges = (time: string) =>
  expirationPresets(Date.parse(time)).map(({ range }) => [range.gte, range.lte] as const);

test("today, this week and this month are counted in New York", () => {
  // Wednesday 23:30 in New York, Thursday in London.
  expect(ranges("2026-11-19T04:30:00Z")).toEqual([
    [20261118, 20261118],
    [20261118, 20261120],
    [20261118, 20261130],
  ]);
});

test("on a Friday the week is that day, on a Saturday it reaches to the next Friday", () => {
  expect(ranges("2026-11-20T15:00:00Z")[1]).toEqual([20261120, 20261120]);
  expect(ranges("2026-11-21T15:00:00Z")[1]).toEqual([20261121, 20261127]);
});

test("a week may reach into the next year, a month ends with its own last day", () => {
  expect(ranges("2024-02-29T15:00:00Z")[2]).toEqual([20240229, 20240229]);
  expect(ranges("2026-12-31T15:00:00Z").slice(1)).toEqual([
    [20261231, 20270101],
    [20261231, 20261231],
  ]);
});
