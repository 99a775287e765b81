import { beforeEach, expect, test, vi } from "vitest";

import { sendFile } from "../src/api/imports";

const answers = vi.fn<typeof fetch>();
const json = (value: unknown): Response => new Response(JSON.stringify(value));
const file = new File(["0123456789"], "a.csv");

beforeEach(() => {
  vi.stubGlobal("fetch", answers);
  answers.mockReset();
});

/** A hub that has so many bytes of the file already. */
function hub(received: number): string[] {
  const ranges: string[] = [];
  answers.mockImplementation(async (address, options) => {
    const upload = { id: "f1", name: "a.csv", size: 10, received, partBytes: 4, state: "uploading" };
    if (options?.method === "PUT") {
      ranges.push((options.headers as Record<string, string>)["Content-Range"] ?? "");
      received = Number(ranges.at(-1)?.match(/-(\d+)/)?.[1]) + 1;
      return json({ ...upload, received });
    }
    return json(options?.method === "POST" ? upload : { files: String(address).endsWith("/files") && received ? [upload] : [] });
  });
  return ranges;
}

test("a file goes in parts, and says how far it is", async () => {
  const ranges = hub(0);
  const told: number[] = [];
  expect(await sendFile(file, (sent) => told.push(sent.received), new AbortController().signal)).toBe("f1");
  expect(ranges).toEqual(["bytes 0-3/10", "bytes 4-7/10", "bytes 8-9/10"]);
  expect(told).toEqual([4, 8, 10]);
});

test("one that was cut off goes on where it was", async () => {
  const ranges = hub(8);
  await sendFile(file, () => undefined, new AbortController().signal);
  expect(ranges).toEqual(["bytes 8-9/10"]);
});
