import { beforeAll, expect, test } from "vitest";

import type { Clock, Task } from "../src/api/cases";
import { loadWords } from "../src/frame/words";
import { newCase } from "../src/pages/cases/making";
import { told } from "../src/pages/cases/operating";
import { ASKED, clockShare, clockState, isFor, OPERATIONS, operationsOf, remainingText, sortedClocks, tasksFor } from "../src/pages/cases/reading";
import { stagesOf } from "../src/pages/cases/stages";

beforeAll(() => loadWords("zh"));

const clock: Clock = { id: "handle:1", limit: "handle", startedAt: "2026-11-23T00:00:00Z", marks: ["2026-11-23T05:00:00Z", "2026-11-23T08:00:00Z"], dueAt: "2026-11-23T10:00:00Z" };
const at = (time: string): number => Date.parse(`2026-11-23T${time}:00Z`);

test.each([
  [clock, "05:00", "running"], [clock, "08:00", "late"], [clock, "10:01", "overdue"], [{ ...clock, paused: true }, "12:00", "paused"],
  [{ ...clock, endedAt: "2026-11-23T09:00:00Z" }, "12:00", "kept"], [{ ...clock, endedAt: "2026-11-23T11:00:00Z" }, "12:00", "broken"],
  [{ ...clock, cancelled: true }, "12:00", "cancelled"], [{ ...clock, least: true }, "12:00", "running"],
  [{ ...clock, least: true, endedAt: "2026-11-23T09:00:00Z" }, "12:00", "broken"], [{ ...clock, least: true, endedAt: "2026-11-23T11:00:00Z" }, "12:00", "kept"],
  [{ ...clock, endedAt: "2026-11-23T10:00:00Z" }, "12:00", "kept"],
] as [Clock, string, string][])("a clock %o at %s is %s", (one, time, state) => expect(clockState(one, at(time))).toBe(state));

test("what is left is said, and by how much it is over", () => {
  expect(remainingText(clock.dueAt, at("07:00"))).toBe("还剩 3 小时");
  expect(remainingText(clock.dueAt, at("10:30"))).toBe("超时 30 分钟");
  expect(clockShare(clock, at("05:00"))).toBe(0.5);
  expect(clockShare(clock, at("23:00"))).toBe(1);
});

test("clocks that run stand first, the nearest end first", () => {
  const ended = { ...clock, id: "ended", endedAt: "2026-11-23T01:00:00Z" };
  const far = { ...clock, id: "far", dueAt: "2026-11-25T00:00:00Z" };
  expect(sortedClocks([ended, far, clock]).map((one) => one.id)).toEqual(["handle:1", "far", "ended"]);
});

test("my tasks stand first, then my department's that nobody has", () => {
  const task = (id: string, members: Partial<Task>): Task => ({ id, element: "handle", name: "", openedAt: "1", ...members });
  const tasks = [task("others", { assignee: "p2" }), task("any", { department: "d2" }), task("ours", { department: "d1" }), task("mine", { assignee: "p1" })];
  expect(tasksFor(tasks, "p1", "d1").map((one) => one.id)).toEqual(["mine", "ours", "any", "others"]);
});

test("a task is for its assignee, else for the role and the department that it names; the local user may do any", () => {
  const task: Task = { id: "t", element: "handle", name: "", openedAt: "1", lane: "handler", department: "d1" };
  const person = { id: "p1", name: "", department: "d1", roles: ["handler"] };
  expect(isFor(task, person)).toBe(true);
  expect(isFor(task, { ...person, department: "d2" })).toBe(false);
  expect(isFor(task, { ...person, roles: ["checker"] })).toBe(false);
  expect(isFor({ ...task, assignee: "p2" }, person)).toBe(false);
  expect(isFor({ ...task, assignee: "p1", lane: "checker" }, person)).toBe(true);
  expect(isFor(task, undefined)).toBe(true);
});

test("an operation is told what it asks for and nothing else", () => {
  const form = { task: "t1", department: "", departments: [], person: "p1", amount: "8", limit: "handle", into: " urn:c:2 ", grade: "", event: "", parts: "一\n\n二 ", score: "4", note: " 因为 " };
  expect(told("assign", form)).toEqual({ task: "t1", person: "p1", note: "因为" });
  expect(told("extend", form)).toEqual({ limit: "handle", amount: 8, note: "因为" });
  expect(told("merge", form)).toEqual({ into: "urn:c:2", note: "因为" });
  expect(told("split", form)).toEqual({ parts: [{ title: "一" }, { title: "二" }], note: "因为" });
  expect(told("rate", form)).toEqual({ score: 4, note: "因为" });
  expect(told("comment", { ...form, event: "reported-city" })).toEqual({ event: "reported-city", note: "因为" });
});

test("a closed case is reopened or rated, an open one worked on", () => {
  expect(operationsOf({ state: "closed" })).toEqual(["reopen", "rate", "comment"]);
  expect(operationsOf({ state: "open" })).not.toContain("reopen");
  expect(Object.keys(ASKED).sort()).toEqual([...OPERATIONS].sort());
});

test("the way of a case shows what was passed, where it is and what is ahead", () => {
  const timeline = [
    { at: "1", by: "p", what: "completed", element: "accept" }, { at: "2", by: "p", what: "completed", element: "dispatch" },
    { at: "3", by: "p", what: "returned", element: "handle" }, { at: "4", by: "p", what: "completed", element: "dispatch" },
  ];
  const tasks = [{ id: "t", element: "handle", name: "处置", openedAt: "4" }];
  expect(stagesOf({ timeline, tasks, state: "open" }).map((one) => `${one.element} ${one.state} ${one.times}`)).toEqual([
    "accept passed 1", "dispatch passed 2", "handle here 1", "feedback ahead 0", "check ahead 0", "close ahead 0",
  ]);
  expect(stagesOf({ timeline, tasks: [], state: "closed" }).map((one) => one.state)).not.toContain("ahead");
});

test("a new case has its point, else the seat of its township, else no place", () => {
  const form = { kind: "flood", title: " 内涝 ", description: "", grade: "", township: "", address: "", lon: "", lat: "" };
  const towns = [{ id: "urn:t:1", name: {}, geometry: { type: "Point" as const, coordinates: [108.7, 29.5] as [number, number] }, area: null }];
  expect(newCase(form, towns)).toEqual({ kind: "flood", title: "内涝" });
  expect(newCase({ ...form, township: "urn:t:1" }, towns).place?.location).toEqual(towns[0]?.geometry);
  expect(newCase({ ...form, lon: "108.8", lat: "29.4" }, towns).place).toEqual({ location: { type: "Point", coordinates: [108.8, 29.4] } });
  expect(newCase({ ...form, lon: "1080", lat: "29.4" }, towns).place).toBeUndefined();
});
