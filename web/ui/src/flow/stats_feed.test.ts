// @vitest-environment node
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Api } from "../protocol/api";
import { BUCKETS, StatsFeed, TOP } from "./stats_feed";

describe("StatsFeed over HTTP", () => {
  let server: Server;
  let feed: StatsFeed;
  let requests: URL[];
  let closed: string[];
  let answer: (url: URL, response: ServerResponse) => void;

  beforeEach(async () => {
    requests = [];
    closed = [];
    answer = (_url, response) => response.end(JSON.stringify({ trades: requests.length }));
    server = createServer((request: IncomingMessage, response) => {
      const url = new URL(request.url ?? "", "http://gateway");
      requests.push(url);
      response.on("close", () => {
        if (!response.writableFinished) closed.push(url.searchParams.get("q") ?? "");
      });
      answer(url, response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    feed = new StatsFeed(new Api(`http://127.0.0.1:${port}`));
    feed.wake(true);
  });

  afterEach(async () => {
    feed.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it("asks one question for all pictures", async () => {
    feed.ask({ q: "SPY calls", window: "15m" });
    await vi.waitFor(() => expect(feed.answer.value?.value.trades).toBe(1));
    expect(requests).toHaveLength(1);
    expect(requests[0]?.pathname).toBe("/v1/stats");
    expect(Object.fromEntries(requests[0]?.searchParams ?? [])).toEqual({
      q: "SPY calls",
      window: "15m",
      buckets: String(BUCKETS),
      top: String(TOP),
    });
  });

  it("breaks a request off when the filter changes, and shows the answer to the new one", async () => {
    answer = (url, response) => {
      if (url.searchParams.get("q") === "QQQ") response.end(JSON.stringify({ trades: 7 }));
    };
    feed.ask({ q: "SPY", window: "15m" });
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    feed.ask({ q: "QQQ", window: "15m" });
    await vi.waitFor(() => expect(feed.answer.value?.value.trades).toBe(7));
    expect(feed.answer.value?.question.q).toBe("QQQ");
    await vi.waitFor(() => expect(closed).toEqual(["SPY"]));
  });

  it("reads the gateway's problem, and how long it wants to be left alone", async () => {
    answer = (_url, response) => {
      response.writeHead(400, { "Content-Type": "application/problem+json", "Retry-After": "4" });
      response.end(
        JSON.stringify({
          type: "urn:flowtape:problem:parameter",
          status: 400,
          detail: "window: it holds more than 1000000 trades of the filter.",
          field: "window",
        }),
      );
    };
    feed.ask({ q: "*", window: "1d" });
    await vi.waitFor(() => expect(feed.problem.value).not.toBeNull());
    expect(feed.problem.value).toMatchObject({ status: 400, field: "window", retryAfter: 4 });
  });

  it("says that nobody answers", async () => {
    answer = (_url, response) => response.destroy();
    feed.ask({ q: "*", window: "5m" });
    await vi.waitFor(() => expect(feed.problem.value?.status).toBe(0));
  });
});
