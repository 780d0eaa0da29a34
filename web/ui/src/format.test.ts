import { describe, expect, it } from "vitest";
import { clock, count, day, expiry, money, percent, price, signedMoney, UNKNOWN, zone } from "./format";

describe("money", () => {
  it.each([
    [0, "$0"],
    [980, "$980"],
    [999.4, "$999"],
    [999.5, "$1.00K"],
    [12_400, "$12.4K"],
    [99_949, "$99.9K"],
    [99_950, "$100K"],
    [999_499, "$999K"],
    [999_600, "$1.00M"],
    [1_250_000, "$1.25M"],
    [9_994_999, "$9.99M"],
    [9_995_000, "$10.0M"],
    [999_499_999, "$999M"],
    [999_500_000, "$1.00B"],
    [45_600_000_000, "$45.6B"],
    [1.5e12, "$1.50T"],
    [2.5e15, "$2,500T"],
  ])("writes %d dollars as %s", (dollars, text) => {
    expect(money(dollars)).toBe(text);
    if (dollars > 0) expect(money(-dollars)).toBe(`-${text}`);
  });

  it("gives no sign to what is rounded to nothing", () => {
    expect(money(-0.4)).toBe("$0");
    expect(signedMoney(0.4)).toBe("$0");
    expect(signedMoney(0)).toBe("$0");
  });

  it("says the sign either way where asked", () => {
    expect(signedMoney(1_250_000)).toBe("+$1.25M");
    expect(signedMoney(-12_400)).toBe("-$12.4K");
  });
});

describe("what is unknown", () => {
  it.each([null, undefined, Number.NaN, Number.POSITIVE_INFINITY])("is the same sign for %s", (value) => {
    for (const write of [money, signedMoney, price, count, percent, clock, day]) {
      expect(write(value)).toBe(UNKNOWN);
    }
  });
});

describe("other figures", () => {
  it("writes prices with two to four places, sizes with commas, percent with one place", () => {
    expect(price(2.4)).toBe("2.40");
    expect(price(0.0125)).toBe("0.0125");
    expect(price(1_234.5)).toBe("1,234.50");
    expect(count(12_500)).toBe("12,500");
    expect(percent(3.24)).toBe("3.2%");
    expect(percent(-0.5)).toBe("-0.5%");
    expect(expiry(20261218)).toBe("2026-12-18");
  });
});

describe("times in New York", () => {
  // Clocks go back on 2026-11-01 at 06:00 UTC and forward on 2026-03-08 at 07:00 UTC.
  it.each([
    [Date.UTC(2026, 10, 1, 5, 59, 59), "01:59:59", "EDT", "Nov 1"],
    [Date.UTC(2026, 10, 1, 6, 0, 0), "01:00:00", "EST", "Nov 1"],
    [Date.UTC(2026, 2, 8, 6, 59, 59), "01:59:59", "EST", "Mar 8"],
    [Date.UTC(2026, 2, 8, 7, 0, 0), "03:00:00", "EDT", "Mar 8"],
    [Date.UTC(2026, 10, 21, 5, 0, 0), "00:00:00", "EST", "Nov 21"],
    [Date.UTC(2026, 10, 21, 4, 59, 59), "23:59:59", "EST", "Nov 20"],
  ])("of %d are %s %s on %s", (ms, time, name, date) => {
    expect(clock(ms)).toBe(time);
    expect(zone(ms)).toBe(name);
    expect(day(ms)).toBe(date);
  });
});
