/** The figures of a row of indicators, whether the hub gives a number alone or the sum that it comes from. */

/** Shares from 0 to 1 that have a bar. */
export const SHARES = ["onTime", "firstTimeFix", "reopened"] as const;

const ALSO: Record<string, string[]> = {
  onTime: ["onTimeRate", "on_time_rate", "on_time"],
  firstTimeFix: ["firstTimeFixRate", "firstTimeRate", "first_time_fix", "first_time_fix_rate"],
  reopened: ["reopenRate", "reopenedRate", "reopen_rate"],
  median: ["medianS", "median_s", "medianTimeS"],
  opened: ["cases", "count"],
  closed: [],
};

export interface ShownFigure {
  value: number | null;
  part: number | string;
  whole: number | string;
}

/** A figure by name; its parts are "—" where the hub does not tell them. */
export function figureOf(row: Record<string, unknown>, name: string): ShownFigure {
  const given = [name, ...(ALSO[name] ?? [])].map((one) => row[one]).find((one) => one !== undefined);
  if (typeof given === "number") return { value: given, part: "—", whole: "—" };
  const told = (typeof given === "object" && given !== null ? given : {}) as Record<string, unknown>;
  const value = told["value"] ?? told["rate"];
  return { value: typeof value === "number" ? value : null, part: asPart(told["part"] ?? told["kept"] ?? told["n"]), whole: asPart(told["whole"] ?? told["of"] ?? told["all"]) };
}

const asPart = (value: unknown): number | string => (typeof value === "number" ? value : "—");

/** What a row is about: the id of a department or of a kind; "" when there is none. */
export function keyOf(row: Record<string, unknown>, by: string): string {
  return String(row["key"] ?? row[by] ?? row["id"] ?? "");
}
