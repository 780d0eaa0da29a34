import { expect, it } from "vitest";
import { BY_ID, type Column } from "./columns";
import { csvName, csvOf } from "./csv";
import { trade } from "./trade.fixture";

const columns = (...ids: string[]) => ids.map((id) => BY_ID.get(id) as Column);
const NOON = Date.UTC(2026, 10, 20, 17, 0, 0, 123);

it("writes bare values in the order of the columns", () => {
  const rows = [trade("m:1", 1, { ts: NOON, premium: 1_250_000, delta: -0.44, flags: ["sweep", "iso"] })];
  const text = csvOf(columns("premium", "ts", "quote", "delta", "flags", "id"), rows);
  expect(text).toBe(
    "premium,time,bid,ask,delta,flags,id\r\n1250000,2026-11-20T12:00:00.123-05:00,2.4,2.45,-0.44,sweep iso,m:1\r\n",
  );
});

it("leaves unknown values empty", () => {
  expect(csvOf(columns("iv", "quote"), [trade("a", 1, { iv: null, bid: null, ask: null })])).toBe(
    "iv,bid,ask\r\n,,\r\n",
  );
});

it("disarms texts that a spreadsheet would run, and quotes what would break a line", () => {
  const of = (id: string) => csvOf(columns("id"), [trade(id, 1)]).split("\r\n")[1];
  expect(of('=HYPERLINK("http://x")')).toBe('"\'=HYPERLINK(""http://x"")"');
  expect(of("+1")).toBe("'+1");
  expect(of("-1")).toBe("'-1");
  expect(of("@x")).toBe("'@x");
  expect(of("\tx")).toBe("'\tx");
  expect(of("a,b")).toBe('"a,b"');
  expect(csvOf(columns("id"), [trade("a\nb", 1)])).toBe('id\r\n"a\nb"\r\n');
});

it("names the file by New York's time", () => {
  expect(csvName(NOON)).toBe("flowtape-2026-11-20-120000.csv");
});
