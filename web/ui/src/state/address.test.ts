import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isLink, readAddress, writeAddress } from "./address";

const searchOf = (address: string) => new URL(address, "http://flow.example").search;

describe("the address", () => {
  it("is clean for every trade", () => {
    expect(writeAddress({ q: "*", channel: null })).toBe("/");
  });

  it("stays readable", () => {
    expect(writeAddress({ q: "SPY,QQQ calls premium>=100k side:ask", channel: null })).toBe(
      "/?q=SPY,QQQ+calls+premium%3E=100k+side:ask",
    );
  });

  it("names the channel before its filter, also where that is every trade", () => {
    expect(writeAddress({ q: "*", channel: "all of it" })).toBe("/?channel=all+of+it&q=*");
  });

  it("names a shared channel alone", () => {
    expect(writeAddress({ q: null, channel: "ftlink_00" })).toBe("/?channel=ftlink_00");
    expect(isLink("ftlink_00")).toBe(true);
    expect(isLink("big calls")).toBe(false);
  });

  it("takes empty words for none", () => {
    expect(readAddress("?q=&channel=")).toEqual({ q: null, channel: null });
    expect(readAddress("")).toEqual({ q: null, channel: null });
  });

  it("brings any filter and any name back as they were", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1 });
    fc.assert(
      fc.property(text, fc.option(text), (q, channel) => {
        expect(readAddress(searchOf(writeAddress({ q, channel })))).toEqual({
          q: q === "*" && channel === null ? null : q,
          channel,
        });
      }),
    );
  });
});
