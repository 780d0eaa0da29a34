import { describe, expect, it } from "vitest";
import { Problem } from "../protocol/api";
import type { Limits } from "../protocol/messages";
import { limitsInWords, refusalText } from "./wording";

const FREE: Limits = {
  subscriptions: 1,
  rows: 50,
  interval_ms: 5_000,
  delay_s: 900,
  channels: 0,
  alerts: 0,
  message_bytes: 65_536,
  messages_per_minute: 100,
  history_per_minute: 30,
  connections: 10,
};

describe("the limits of a tier", () => {
  it("say a delayed and polled tier as it is", () => {
    const said = Object.fromEntries(limitsInWords(FREE));
    expect(said.Delay).toBe("15 minutes behind the market");
    expect(said.Delivery).toBe("new rows of a filter every 5 seconds");
    expect(said["Filters at once"]).toBe("1 filter");
    expect(said["Saved channels"]).toBe("no channels");
  });

  it("say a live tier as it is", () => {
    const said = Object.fromEntries(
      limitsInWords({ ...FREE, interval_ms: 50, delay_s: 0, channels: 50, subscriptions: 25 }),
    );
    expect(said.Delay).toBe("none: trades are live");
    expect(said.Delivery).toBe("new rows of a filter every 50 ms");
    expect(said["Saved channels"]).toBe("50 channels");
    expect(Object.fromEntries(limitsInWords({ ...FREE, interval_ms: 1_000 })).Delivery).toBe(
      "new rows of a filter every second",
    );
  });
});

describe("a refusal", () => {
  it("speaks of the name that is taken, not of the request", () => {
    const text = refusalText(new Problem(412, "channel_changed", "another state was expected"), "big");
    expect(text).toContain("“big” already");
  });

  it("is the gateway's own words otherwise", () => {
    const said = "50 channels are saved, and this tier saves 50 at most. Delete one.";
    expect(refusalText(new Problem(409, "channel_limit", said), "big")).toBe(said);
  });

  it("is no home for a fault of the page", () => {
    expect(() => refusalText(new TypeError("a fault"), "big")).toThrow("a fault");
  });
});
