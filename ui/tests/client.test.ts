import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { effectScope } from "vue";

import { ask, path, Problem } from "../src/api/client";
import { acting } from "../src/frame/acting";
import { connection } from "../src/frame/connection";
import { useLive } from "../src/frame/live";

const answers = vi.fn<typeof fetch>();
const json = (value: unknown, status = 200): Response => new Response(JSON.stringify(value), { status });

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", answers);
  answers.mockReset();
});
afterEach(() => vi.useRealTimers());

test("parameters of a path are encoded, empty ones of a query are left out", async () => {
  answers.mockResolvedValue(json([]));
  await ask(path`/api/devices/${"urn:a/b?"}/x`, { query: { feed: "", limit: 5, q: "雨" } });
  expect(answers.mock.calls[0]?.[0]).toBe("/api/devices/urn%3Aa%2Fb%3F/x?limit=5&q=%E9%9B%A8");
});

test("every question says for whom the local user acts", async () => {
  answers.mockImplementation(async () => json([]));
  acting.person = "urn:p:1";
  await ask("/api/tasks");
  expect(answers.mock.calls[0]?.[1]?.headers).toMatchObject({ "CityHub-Person": "urn:p:1" });
  acting.person = "";
  await ask("/api/tasks");
  expect(answers.mock.calls[1]?.[1]?.headers).not.toHaveProperty("CityHub-Person");
});

test("what the hub refuses comes as a problem with its words", async () => {
  answers.mockResolvedValue(json({ title: "Bad request data", detail: "'id' must be ...", trace: "t1" }, 400));
  const problem = await ask("/api/feeds").catch((error: unknown) => error);
  expect(problem).toMatchObject({ status: 400, detail: "'id' must be ...", trace: "t1", silent: false });
  expect(connection.state).toBe("live");
});

test("a hub that is away is told once, with the time, until it is back", async () => {
  answers.mockRejectedValue(new TypeError("no route"));
  await expect(ask("/api/feeds")).rejects.toBeInstanceOf(Problem);
  const since = connection.since;
  vi.advanceTimersByTime(5000);
  await expect(ask("/api/feeds")).rejects.toMatchObject({ silent: true });
  expect(connection.since).toBe(since);
  answers.mockResolvedValue(json({}));
  await ask("/api/feeds");
  expect(connection).toMatchObject({ state: "live", since: null });
});

test("live data are kept while the hub is away, and tried for at growing pauses", async () => {
  const scope = effectScope();
  answers.mockImplementation(async () => json({ n: 1 }));
  const live = scope.run(() => useLive((signal) => ask<{ n: number }>("/x", { signal }), 1000));
  await vi.advanceTimersByTimeAsync(2500);
  expect(answers).toHaveBeenCalledTimes(3);
  answers.mockRejectedValue(new TypeError("gone"));
  await vi.advanceTimersByTimeAsync(30_000);
  expect(live?.data.value).toEqual({ n: 1 });
  expect(live?.problem.value?.silent).toBe(true);
  expect(answers.mock.calls.length).toBeLessThan(14);
  answers.mockImplementation(async () => json({ n: 2 }));
  await vi.advanceTimersByTimeAsync(6000);
  expect(live?.data.value).toEqual({ n: 2 });
  expect(live?.problem.value).toBeNull();
  scope.stop();
  const asked = answers.mock.calls.length;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(answers.mock.calls.length).toBe(asked);
});
