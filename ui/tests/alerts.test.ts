import { beforeAll, expect, test } from "vitest";

import { loadWords } from "../src/frame/words";
import { byGradeAndAge, deedsOf, inputsOf, reasonText, stateOf, storyOf, stretchesOf, valuesOf } from "../src/pages/alerts/reading";
import { alert } from "./alert_fixture";

beforeAll(() => loadWords("zh"));

test("the first line of an alert is its reason", () => {
  expect(reasonText(alert)).toBe("文汇雨量站 1 小时雨量 52 mm，达到 50 mm");
  expect(reasonText({ ...alert, description: {} })).toBe("rain_1h >= 50：rain_1h = 52.25 mm、level = 缺");
});

test("each input stands beside what it was compared with", () => {
  expect(inputsOf(alert.reason)).toEqual([
    { name: "rain_1h", value: "52.25", unit: "mm", threshold: "≥ 50", at: "2026-11-23T06:04:00Z" },
    { name: "level", value: "缺", unit: "", threshold: "", at: "" },
  ]);
});

test("of a signal's inputs the times are no values of their own", () => {
  expect(valuesOf({ a: 1, "a at": "2026-11-23T06:00:00Z", "meet at": true })).toEqual([
    { name: "a", value: "1", at: "2026-11-23T06:00:00Z" }, { name: "meet at", value: "是", at: "" },
  ]);
});

test("a closed alert says what came of it, and only an open one is acknowledged", () => {
  expect(stateOf({ ...alert, state: "closed", outcome: "false" })).toBe("closed-false");
  expect(deedsOf(alert)).toContain("acknowledge");
  expect(deedsOf({ ...alert, state: "acknowledged" })).toEqual(["close", "false", "comment"]);
  expect(deedsOf({ ...alert, state: "closed" })).toEqual(["comment"]);
});

test("its steps and what people did make one story, the newest first", () => {
  const steps = [{ at: "2026-11-23T06:05:00Z", kind: "raised", severity: "yellow" as const }, { at: "2026-11-23T06:20:00Z", kind: "changed", severity: "orange" as const }];
  const deeds = [{ what: "acknowledge", by: "urn:p:1", at: "2026-11-23T06:10:00Z" }];
  expect(storyOf({ ...alert, steps, deeds }).map((one) => one.kind)).toEqual(["changed", "acknowledge", "raised"]);
});

test("a grade lasts until the next step, the last until it is cleared or until now", () => {
  const [t0, t1, t2, now] = ["2026-11-23T06:00:00Z", "2026-11-23T06:10:00Z", "2026-11-23T06:30:00Z", Date.parse("2026-11-23T07:00:00Z")];
  const steps = [{ at: t0, kind: "raised", severity: "yellow" as const }, { at: t1, kind: "changed", severity: "red" as const }];
  expect(stretchesOf(steps, now)).toEqual([{ grade: "yellow", from: Date.parse(t0), to: Date.parse(t1) }, { grade: "red", from: Date.parse(t1), to: now }]);
  expect(stretchesOf([...steps, { at: t2, kind: "cleared", severity: "red" as const }], now).at(-1)?.to).toBe(Date.parse(t2));
});

test("the gravest stand first, then the oldest; what has no grade stands last", () => {
  const row = (grade: string, since: string) => ({ grade, since });
  const rows = [row("", "1"), row("blue", "1"), row("red", "2"), row("orange", "1"), row("red", "1")];
  expect(rows.sort(byGradeAndAge).map((one) => `${one.grade} ${one.since}`)).toEqual(["red 1", "red 2", "orange 1", "blue 1", " 1"]);
});
