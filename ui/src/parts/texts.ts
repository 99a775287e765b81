/** Definitions as texts: what says nothing left out, and the differences of two. */

export interface Line {
  mark: "same" | "gone" | "new";
  text: string;
}

/** The lines of two texts: which stayed, which went, which came. */
export function differences(before: string, after: string): Line[] {
  const [a, b] = [before.split("\n"), after.split("\n")];
  const common = longestCommon(a, b);
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ mark: "same", text: a[i] ?? "" });
      [i, j] = [i + 1, j + 1];
    } else if (i < a.length && (common[i + 1]?.[j] ?? 0) >= (common[i]?.[j + 1] ?? 0)) {
      lines.push({ mark: "gone", text: a[i++] ?? "" });
    } else {
      lines.push({ mark: "new", text: b[j++] ?? "" });
    }
  }
  return lines;
}

/** At [i][j]: how many lines the rest of `a` from i and the rest of `b` from j have in common. */
function longestCommon(a: string[], b: string[]): number[][] {
  const common = Array.from({ length: a.length + 2 }, () => new Array<number>(b.length + 2).fill(0));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const [row, below] = [common[i] ?? [], common[i + 1] ?? []];
      row[j] = a[i] === b[j] ? 1 + (below[j + 1] ?? 0) : Math.max(below[j] ?? 0, row[j + 1] ?? 0);
    }
  }
  return common;
}

/** A value without its empty texts, lists and objects, which say nothing. */
export function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== "object" || value === null) return value;
  const said = Object.entries(value)
    .map(([name, one]) => [name, withoutEmpty(one)] as const)
    .filter(([, one]) => !isEmpty(one));
  return Object.fromEntries(said);
}

function isEmpty(value: unknown): boolean {
  if (value === "" || value === null || value === undefined) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
