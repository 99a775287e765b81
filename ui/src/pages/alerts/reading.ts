/** How an alert reads: its reason first, the values it rests on, its way through the grades. */

import { GRADES, type Alert, type AlertStep, type Grade } from "../../api/alerts";
import { numberText } from "../../frame/times";
import { word } from "../../frame/words";
import { lastPart, textOf } from "../../frame/names";

export interface Input {
  name: string;
  value: string;
  /** When it was observed; "" when that is not known. */
  at: string;
}

/** The values that a condition saw; the time of each stands beside it as "<name> at". */
export function inputsOf(inputs: Record<string, unknown> | undefined): Input[] {
  const all = inputs ?? {};
  return Object.keys(all)
    .filter((name) => !(name.endsWith(" at") && name.slice(0, -3) in all))
    .map((name) => ({ name, value: valueText(all[name]), at: String(all[`${name} at`] ?? "") }));
}

/** A value in a few words. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return word("value.missing");
  if (typeof value === "number") return numberText(value, 3);
  if (typeof value === "boolean") return value ? word("value.true") : word("value.false");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The first line of an alert: why it is there. */
export function reasonText(alert: Alert): string {
  const { reason } = alert;
  if (!reason) return "";
  if (reason.text) return textOf(reason.text);
  const values = inputsOf(reason.inputs).map(({ name, value }) => `${name} = ${value}`);
  return [reason.condition, values.join(word("list.and"))].filter(Boolean).join(word("reason.because"));
}

/** What the alert is about, by name. */
export function subjectText(alert: Alert): string {
  return textOf(alert.subjectName, lastPart(alert.subject));
}

/** What to do with an alert next, for the one who sees it. */
export function deedsOf(alert: Alert): ("acknowledge" | "false" | "close" | "comment")[] {
  if (alert.state === "open") return ["acknowledge", "false", "comment"];
  return alert.state === "acknowledged" ? ["close", "false", "comment"] : ["comment"];
}

export interface Stretch {
  grade: Grade;
  from: number;
  to: number;
}

/** For how long an alert was of which grade, in milliseconds since 1970; it lasts until it was cleared, or until now. */
export function stretchesOf(steps: AlertStep[], now: number): Stretch[] {
  const told = steps.filter((step) => ["raised", "changed", "cleared"].includes(step.kind)).map((step) => ({ ...step, time: Date.parse(step.at) }));
  return told.flatMap((step, place) => {
    if (step.kind === "cleared" || !step.severity) return [];
    return [{ grade: step.severity, from: step.time, to: told[place + 1]?.time ?? Math.max(now, step.time) }];
  });
}

/** Gravest first, then oldest first. */
export function byGradeAndAge(a: { grade: string; since: string }, b: { grade: string; since: string }): number {
  const rank = (grade: string): number => (GRADES as string[]).indexOf(grade) + (GRADES as string[]).length * Number(!(GRADES as string[]).includes(grade));
  return rank(a.grade) - rank(b.grade) || a.since.localeCompare(b.since);
}
