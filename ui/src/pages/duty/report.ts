/** The daily report as headings, sums and tables, whatever the hub puts into it. */

export interface Section {
  name: string;
  sums: { name: string; value: string | number }[];
  columns: string[];
  rows: Record<string, unknown>[];
}

/** The parts of a report: what is single stands together, each list is a table. */
export function sectionsOf(report: Record<string, unknown>): Section[] {
  const entries = Object.entries(report).filter(([name]) => !["date", "title", "district"].includes(name));
  const single = entries.filter(([, value]) => isPlain(value));
  const parts = entries.filter(([, value]) => !isPlain(value) && value !== null);
  const sums = single.map(([name, value]) => ({ name, value: value as string | number }));
  return [...(sums.length ? [{ name: "", sums, columns: [], rows: [] }] : []), ...parts.map(([name, value]) => sectionOf(name, value))];
}

function sectionOf(name: string, value: unknown): Section {
  if (Array.isArray(value)) {
    const rows = value.map((row) => (isPlain(row) ? { value: row } : (row as Record<string, unknown>)));
    return { name, sums: [], rows, columns: [...new Set(rows.flatMap((row) => Object.keys(row)))] };
  }
  const inner = Object.entries(value as Record<string, unknown>);
  const list = inner.find(([, one]) => Array.isArray(one));
  const table = list ? sectionOf(name, list[1]) : { name, sums: [], columns: [], rows: [] };
  return { ...table, sums: inner.filter(([, one]) => isPlain(one)).map(([key, one]) => ({ name: key, value: one as string | number })) };
}

const isPlain = (value: unknown): boolean => typeof value === "string" || typeof value === "number" || typeof value === "boolean";

/** A cell in a few words: names in a language, lists with signs between. */
export function cellText(value: unknown, inLanguage: (names: Record<string, string>) => string, and: string): string {
  if (value === null || value === undefined || value === "") return "—";
  if (Array.isArray(value)) return value.map((one) => cellText(one, inLanguage, and)).join(and) || "—";
  if (typeof value === "object") {
    const named = value as Record<string, unknown>;
    if (typeof named["name"] === "string") return named["name"];
    return "zh" in named || "en" in named ? inLanguage(named as Record<string, string>) : JSON.stringify(value);
  }
  return String(value);
}
