/** How a case reads: its clocks, what can be done now, its story, and what may be decided in a task. */

import type { CaseHead, Clock, Entry, Task } from "../../api/cases";
import type { Person } from "../../api/people";
import { spanText } from "../../frame/times";
import { word } from "../../frame/words";

export type ClockState = "running" | "late" | "overdue" | "kept" | "broken" | "paused" | "cancelled";

/** How a limit stands at a moment (milliseconds since 1970): it is late from the second level of escalation on. */
export function clockState(clock: Clock, now: number): ClockState {
  if (clock.cancelled) return "cancelled";
  const due = Date.parse(clock.dueAt);
  if (clock.endedAt) return (Date.parse(clock.endedAt) > due) === Boolean(clock.least) || clock.endedAt === clock.dueAt ? "kept" : "broken";
  if (clock.paused) return "paused";
  if (clock.least) return "running";
  if (now > due) return "overdue";
  const second = clock.marks?.[1];
  return second && now >= Date.parse(second) ? "late" : "running";
}

/** How much of a limit's time has passed, 0 to 1. */
export function clockShare(clock: Clock, now: number): number {
  const [from, to] = [Date.parse(clock.startedAt), Date.parse(clock.dueAt)];
  const until = clock.endedAt ? Date.parse(clock.endedAt) : now;
  return to > from ? Math.min(1, Math.max(0, (until - from) / (to - from))) : 1;
}

/** What is left until a moment, or by how much it is over. */
export function remainingText(dueAt: string, now: number): string {
  const left = (Date.parse(dueAt) - now) / 1000;
  return word(left < 0 ? "clock.over" : "clock.left", { span: spanText(Math.abs(left)) });
}

/** The clocks that people look at first: those that run, the nearest end first; then those that have ended. */
export function sortedClocks(clocks: Clock[]): Clock[] {
  const rank = (clock: Clock): number => Number(Boolean(clock.endedAt || clock.cancelled)) * 2 + Number(Boolean(clock.paused || clock.least));
  return [...clocks].sort((a, b) => rank(a) - rank(b) || a.dueAt.localeCompare(b.dueAt));
}

/** What the desk can do with a case besides its tasks. */
export const OPERATIONS = ["assign", "reassign", "return", "extend", "supervise", "join", "merge", "split", "reopen", "grade", "comment", "rate", "withdraw"] as const;
export type Operation = (typeof OPERATIONS)[number];

export function operationsOf(record: Pick<CaseHead, "state">): Operation[] {
  if (record.state === "open") return ["assign", "reassign", "return", "extend", "supervise", "join", "grade", "merge", "split", "comment", "withdraw"];
  return record.state === "closed" ? ["reopen", "rate", "comment"] : record.state === "merged" ? ["comment"] : ["reopen", "comment"];
}

/** What each operation must be told. */
export const ASKED: Record<Operation, ("task" | "department" | "departments" | "person" | "amount" | "into" | "parts" | "score" | "grade" | "event" | "note")[]> = {
  assign: ["task", "person", "note"],
  reassign: ["task", "department", "person", "note"],
  return: ["task", "note"],
  extend: ["amount", "note"],
  supervise: ["note"],
  join: ["departments", "note"],
  merge: ["into", "note"],
  split: ["parts", "note"],
  reopen: ["note"],
  comment: ["event", "note"],
  grade: ["grade", "note"],
  rate: ["score", "note"],
  withdraw: ["note"],
};

/** The tasks that somebody may take: their own first, then those of the department, then the others. */
export function tasksFor(tasks: Task[], person: string, department: string): Task[] {
  const rank = (task: Task): number => (task.assignee === person && person ? 0 : task.assignee ? 3 : task.department && task.department === department ? 1 : 2);
  return [...tasks].sort((a, b) => rank(a) - rank(b) || a.openedAt.localeCompare(b.openedAt));
}

/** Whether somebody may do a task; the local user, who acts for nobody, may do any. */
export function isFor(task: Task, person: Person | undefined): boolean {
  if (!person) return true;
  if (task.assignee) return task.assignee === person.id;
  return (!task.lane || (person.roles ?? []).includes(task.lane)) && (!task.department || task.department === person.department);
}

/** The people of a case: who did something, the last first, each once. */
export function actorsOf(timeline: Entry[]): string[] {
  return [...new Set(timeline.toReversed().map((entry) => entry.by))].filter((by) => by.startsWith("urn:"));
}
