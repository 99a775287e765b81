/** The steps of a case that have been passed, and those that wait. */

import type { CaseRecord } from "../../api/cases";

export interface Stage {
  element: string;
  name: string;
  state: "passed" | "here" | "ahead";
  /** How often it was passed. */
  times: number;
}

/** The district's standard way; what a case of it has not reached yet is shown as ahead. */
const STANDARD = ["accept", "dispatch", "handle", "feedback", "check", "close"];

/** In the order in which they came first; of the standard way also what is still ahead. */
export function stagesOf(record: Pick<CaseRecord, "timeline" | "tasks" | "state">): Stage[] {
  const done = (record.timeline ?? []).filter((entry) => entry.element && (entry.what === "completed" || entry.what === "returned"));
  const waiting = new Map((record.tasks ?? []).map((task) => [task.element, task.name]));
  const order = [...new Set([...done.map((entry) => entry.element ?? ""), ...waiting.keys()])];
  const isStandard = order.some((element) => STANDARD.includes(element));
  const ahead = isStandard && record.state === "open" ? STANDARD.slice(Math.max(...order.map((element) => STANDARD.indexOf(element))) + 1) : [];
  return [
    ...order.map((element): Stage => ({
      element, name: waiting.get(element) ?? element, state: waiting.has(element) ? "here" : "passed",
      times: done.filter((entry) => entry.element === element).length,
    })),
    ...ahead.filter((element) => !order.includes(element)).map((element): Stage => ({ element, name: element, state: "ahead", times: 0 })),
  ];
}
