/** How an alert reads: its reason first, the values it rests on, its way through the grades. */

import { GRADES, type Alert, type AlertStep, type Grade, type Reason } from "../../api/alerts";
import { lastPart } from "../../frame/names";
import { numberText } from "../../frame/times";
import { inLanguage, saysSimulated, word } from "../../frame/words";

const OPERATORS: Record<string, string> = { ">=": "≥", "<=": "≤", "!=": "≠" };
const UNITS: Record<string, string> = {
  MMT: "mm", MTR: "m", CMT: "cm", KMT: "km", CEL: "°C", MQS: "m³/s", KMH: "km/h", MTS: "m/s", GQ: "µg/m³", P1: "%", C62: "", H10: "1/h", KWT: "kW",
  SEC: "s", MIN: "min", HUR: "h",
};

export interface Input {
  name: string;
  value: string;
  unit: string;
  /** What it was compared with; "" when it was not compared with a constant. */
  threshold: string;
  /** When it was observed; "" when that is not known. */
  at: string;
}

/** The values that an alert rests on, each with what it was compared with. */
export function inputsOf(reason: Reason | undefined): Input[] {
  return (reason?.inputs ?? []).map(({ name, value, unit = "", at = "" }) => {
    const compared = (reason?.thresholds ?? []).filter((one) => one.name === name);
    const threshold = compared.map((one) => `${OPERATORS[one.operator] ?? one.operator} ${valueText(one.value)}`).join(word("list.and"));
    return { name, value: valueText(value), unit: unitText(unit), threshold, at };
  });
}

/** The values of a signal by name; the time of each stands beside it as "<name> at". */
export function valuesOf(inputs: Record<string, unknown> | undefined): { name: string; value: string; at: string }[] {
  const all = inputs ?? {};
  return Object.keys(all)
    .filter((name) => !(name.endsWith(" at") && name.slice(0, -3) in all))
    .map((name) => ({ name, value: valueText(all[name]), at: String(all[`${name} at`] ?? "") }));
}

/** The sign of a unit for its UN/CEFACT code; a code that has no sign here stands as it is. */
export function unitText(code: string): string {
  return UNITS[code] ?? code;
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
  const said = inLanguage(alert.description);
  if (said) return said;
  const values = inputsOf(alert.reason).map(({ name, value, unit }) => `${name} = ${value}${unit ? ` ${unit}` : ""}`);
  return [alert.reason?.condition ?? "", values.join(word("list.and"))].filter(Boolean).join(word("reason.because"));
}

/** What the alert is about, briefly. */
export function subjectText(alert: Alert): string {
  return alert.subjectName || lastPart(alert.subject);
}

/** The state in one word: a closed alert says what came of it. */
export function stateOf(alert: Alert): string {
  return alert.state === "closed" && alert.outcome ? `closed-${alert.outcome}` : alert.state;
}

/** Whether its reason says that data are simulated while its title does not. */
export function saysSimulatedAlert(alert: Alert): boolean {
  return saysSimulated(inLanguage(alert.description)) && !saysSimulated(inLanguage(alert.title));
}

/** What to do with an alert next, for the one who sees it. */
export function deedsOf(alert: Alert): ("acknowledge" | "false" | "close" | "comment")[] {
  if (alert.state === "open") return ["acknowledge", "false", "comment"];
  return alert.state === "acknowledged" ? ["close", "false", "comment"] : ["comment"];
}

/** Its steps and what people did, the newest first. */
export function storyOf(alert: Alert): { at: string; kind: string; grade: string; by: string; note: string }[] {
  const steps = (alert.steps ?? []).map((step) => ({ at: step.at, kind: step.kind, grade: step.severity ?? "", by: "", note: "" }));
  const deeds = (alert.deeds ?? []).map((deed) => ({ at: deed.at, kind: deed.what, grade: "", by: deed.by, note: deed.note ?? "" }));
  return [...steps, ...deeds].sort((a, b) => b.at.localeCompare(a.at));
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

/** Gravest first, then oldest first; what has no grade stands last. */
export function byGradeAndAge(a: { grade: string; since: string }, b: { grade: string; since: string }): number {
  return rankOf(a.grade) - rankOf(b.grade) || a.since.localeCompare(b.since);
}

function rankOf(grade: string): number {
  const rank = (GRADES as string[]).indexOf(grade);
  return rank < 0 ? GRADES.length : rank;
}
