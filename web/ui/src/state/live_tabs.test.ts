import { describe, expect, it } from "vitest";
import { liveTabs, roomForTabs, whyNotLive } from "./live_tabs";

describe("the room for tabs", () => {
  it("is one before the gateway has said its limits", () => {
    expect(roomForTabs(null)).toBe(1);
  });

  it.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [5, 4],
    [25, 24],
  ])("of a tier with %i filters is %i", (subscriptions, room) => {
    expect(roomForTabs({ subscriptions })).toBe(room);
  });
});

describe("the live tabs", () => {
  const list = ["big", "sweeps", "zero", "flow"];

  it("are the one that is looked at alone where there is room for one", () => {
    expect([...liveTabs(list, ["zero", "big"], 1)]).toEqual(["zero"]);
  });

  it("are the ones looked at last, then the others in their order", () => {
    expect([...liveTabs(list, ["zero", "sweeps"], 3)]).toEqual(["zero", "sweeps", "big"]);
  });

  it("are all where there is room", () => {
    expect(liveTabs(list, ["flow"], 24).size).toBe(4);
  });

  it("hold none that is closed", () => {
    expect([...liveTabs(list, ["flow", "closed"], 2)]).toEqual(["flow", "big"]);
  });
});

describe("why a tab is not live", () => {
  it("names the tier and its limit", () => {
    expect(whyNotLive("free", { subscriptions: 1 })).toBe("Not live: free follows 1 filter at once.");
    expect(whyNotLive("pro", { subscriptions: 5 })).toBe(
      "Not live: pro follows 5 filters at once, one of them kept for an open contract.",
    );
  });
});
