import { expect, test } from "vitest";

import { signalOf } from "../src/api/rules";
import { complaintsBy, freeGrade, freeName, newFigure, newLevel, newRule, renamed, ruleFromYaml, ruleToYaml, spareRule } from "../src/pages/rules/definition";
import { fromLocal, toLocal } from "../src/pages/rules/span";

const rule = {
  ...newRule(), id: "rain-1h", title: { zh: "强降雨", en: "" }, owner: "urn:o:1", watch: { type: "RainGauge", q: "" }, version: 4,
  figures: { rain_1h: newFigure() }, levels: [{ severity: "yellow" as const, condition: "rain_1h >= 30", hold: "" }, { severity: "red" as const, condition: "rain_1h >= 100" }],
};

test("a rule is sent without what says nothing, the gravest level first", () => {
  const spare = spareRule(rule);
  expect(spare.levels).toEqual([{ severity: "red", condition: "rain_1h >= 100" }, { severity: "yellow", condition: "rain_1h >= 30" }]);
  expect(spare).not.toHaveProperty("version");
  expect(spare).not.toHaveProperty("opens");
  expect(spare.watch).toEqual({ type: "RainGauge" });
  expect(spare.enabled).toBe(true);
});

test("YAML goes both ways", () => {
  expect(spareRule(ruleFromYaml(ruleToYaml(rule)))).toEqual(spareRule(rule));
  expect(() => ruleFromYaml("- a")).toThrow();
});

test("a level is added in the next grade that is free, a figure under a name that is free", () => {
  expect(freeGrade(rule.levels)).toBe("blue");
  expect(freeGrade((["red", "orange", "yellow", "blue"] as const).map(newLevel))).toBeUndefined();
  expect(freeName({ figure1: newFigure() })).toBe("figure2");
});

test("a figure keeps its place under another name, and takes nobody else's", () => {
  const figures = { a: newFigure(), b: newFigure() };
  expect(Object.keys(renamed(figures, "a", "c"))).toEqual(["c", "b"]);
  expect(renamed(figures, "a", "b")).toBe(figures);
});

test("what the hub complains of stands where it belongs", () => {
  const problems = ["'levels[1].condition': FEEL, line 1, column 4: the expression ends", "'figures.rain_1h.of': FEEL ...", "'watch.q' is no query", "'id' must be ..."];
  expect(complaintsBy(problems, rule)).toEqual({ "level 1": [problems[0]], "figure rain_1h": [problems[1]], watch: [problems[2]], "": [problems[3]] });
});

test("a signal is read by place as by name", () => {
  const raw = ["rain-1h", 1, "", "urn:s:1", ["urn:s:1"], "urn:a:1", 0, "raised", "red", "2026-11-23T06:00:00Z", 7, { rain_1h: 120 }, "rain_1h >= 100", null];
  expect(signalOf(raw)).toMatchObject({ subject: "urn:s:1", kind: "raised", severity: "red", inputs: { rain_1h: 120 } });
  expect(signalOf({ subject: "urn:s:2", kind: "cleared" })).toMatchObject({ subject: "urn:s:2", kind: "cleared" });
});

test("moments are typed in the district's time and sent in UTC", () => {
  expect(fromLocal("2026-11-23T07:30")).toBe("2026-11-22T23:30:00Z");
  expect(toLocal(new Date("2026-11-22T23:30:00Z"))).toBe("2026-11-23T07:30");
  expect(fromLocal("")).toBe("");
});
