/** A roster as a calendar: the days of a month in the district's time, with the shifts and the gaps that touch each. */

import type { Gap, Shift } from "../../api/duty";
import { timeText } from "../../frame/times";

const DAY_MS = 86_400_000;
const OFFSET_MS = 8 * 3_600_000;

export interface Day {
  /** "2026-11-23". */
  date: string;
  inMonth: boolean;
  shifts: { text: string; people: string[] }[];
  gaps: string[];
}

/** The first moment of a month and that of the next, RFC 3339 UTC. `month`: "2026-11". */
export function monthSpan(month: string): { from: string; to: string } {
  const [year = 0, number = 1] = month.split("-").map(Number);
  const at = (shift: number): string => new Date(Date.UTC(year, number - 1 + shift, 1) - OFFSET_MS).toISOString().replace(".000", "");
  return { from: at(0), to: at(1) };
}

/** The month before or after. */
export function monthBeside(month: string, steps: number): string {
  const [year = 0, number = 1] = month.split("-").map(Number);
  return new Date(Date.UTC(year, number - 1 + steps, 1)).toISOString().slice(0, 7);
}

/** Whole weeks from Monday on that hold the month. */
export function daysOf(month: string, shifts: Shift[], gaps: Gap[], nameOf: (id: string) => string): Day[] {
  const { from, to } = monthSpan(month);
  const first = Date.parse(from);
  const weekday = (new Date(first + OFFSET_MS).getUTCDay() + 6) % 7;
  const days: Day[] = [];
  for (let start = first - weekday * DAY_MS; start < Date.parse(to) || days.length % 7; start += DAY_MS) {
    const date = new Date(start + OFFSET_MS).toISOString().slice(0, 10);
    const inMonth = date.startsWith(month);
    const touching = <T extends { from: string; to: string }>(spans: T[]): T[] => (inMonth ? spans.filter((span) => Date.parse(span.from) < start + DAY_MS && Date.parse(span.to) > start) : []);
    days.push({
      date, inMonth,
      shifts: touching(shifts).map((shift) => ({ text: hoursOf(shift.from, shift.to, start), people: shift.people.map(nameOf) })),
      gaps: touching(gaps).map((gap) => hoursOf(gap.from, gap.to, start)),
    });
  }
  return days;
}

/** The hours of a span within a day: "08:30–17:30". */
function hoursOf(from: string, to: string, dayStart: number): string {
  const begin = Math.max(Date.parse(from), dayStart);
  const end = Math.min(Date.parse(to), dayStart + DAY_MS);
  const text = (moment: number): string => (moment === dayStart + DAY_MS ? "24:00" : timeText(new Date(moment)).slice(11, 16));
  return `${text(begin)}–${text(end)}`;
}
