/** Times and numbers as they are written here: 2026-11-23 14:05:09 in the district's time. */

import { preferences } from "./preferences";
import { word } from "./words";

export const ZONE = "Asia/Shanghai";

const parts = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZone: ZONE });

/** Date and time to the second, or "—" for none. */
export function timeText(moment: Date | string | null | undefined): string {
  if (!moment) return "—";
  const date = typeof moment === "string" ? new Date(moment) : moment;
  return Number.isNaN(date.getTime()) ? "—" : parts.format(date);
}

/** The time of day to the second. */
export function timeOfDay(moment: Date | string): string {
  return timeText(moment).slice(11);
}

/** How long ago, in one unit: "5 秒前". "—" for none. */
export function agoText(moment: string | null | undefined, now: number): string {
  if (!moment) return "—";
  return word("time.ago", { span: spanText(Math.max(0, (now - Date.parse(moment)) / 1000)) });
}

/** A span of seconds in the largest unit that fits. */
export function spanText(seconds: number): string {
  if (seconds < 120) return word("time.seconds", { n: numberText(Math.round(seconds)) });
  if (seconds < 7200) return word("time.minutes", { n: numberText(Math.round(seconds / 60)) });
  if (seconds < 172_800) return word("time.hours", { n: numberText(Math.round(seconds / 3600)) });
  return word("time.days", { n: numberText(Math.round(seconds / 86_400)) });
}

/** A number with at most so many decimals and groups of three digits; "—" for none. */
export function numberText(value: number | null | undefined, decimals = 0): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "—";
  const language = preferences.language === "zh" ? "zh-CN" : "en-GB";
  return new Intl.NumberFormat(language, { maximumFractionDigits: decimals }).format(value);
}

/** A size in bytes, to three figures. */
export function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  return `${numberText(bytes / 1000 ** step, step ? 1 : 0)} ${units[step]}`;
}
