import { afterEach, describe, expect, it, vi } from "vitest";
import { followBrowser } from "./browser_events";
import { Stream } from "./stream";

function followed() {
  const stream = new Stream("ws://127.0.0.1:9/v1/stream");
  const hasten = vi.spyOn(stream, "hasten");
  return { hasten, stop: followBrowser(stream) };
}

const look = (state: DocumentVisibilityState) => {
  vi.spyOn(document, "visibilityState", "get").mockReturnValue(state);
  document.dispatchEvent(new Event("visibilitychange"));
};

afterEach(() => {
  vi.restoreAllMocks();
});

describe("the browser", () => {
  it("hastens the stream when the network is back and when somebody looks, until it is not followed", () => {
    const { hasten, stop } = followed();
    window.dispatchEvent(new Event("online"));
    expect(hasten).toHaveBeenCalledTimes(1);
    look("hidden");
    expect(hasten).toHaveBeenCalledTimes(1);
    look("visible");
    expect(hasten).toHaveBeenCalledTimes(2);
    stop();
    look("visible");
    window.dispatchEvent(new Event("online"));
    expect(hasten).toHaveBeenCalledTimes(2);
  });
});
