// @vitest-environment node
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { Api } from "./api";

/** Where nobody answers any more. */
async function deserted(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return `http://127.0.0.1:${port}`;
}

test("where nobody answers, what is read is asked for again, what is written is for people to try again", async () => {
  const api = new Api(await deserted());
  const unreachable = { status: 0, code: "unreachable" };
  await expect(api.channels()).rejects.toMatchObject({
    ...unreachable,
    message: "The gateway does not answer. It is asked again.",
  });
  await expect(api.shareChannel("whales")).rejects.toMatchObject({
    ...unreachable,
    message: "The gateway does not answer. Try again once it does.",
  });
});
