/** A rule as people write it: a beginning, YAML and back, and where in its form a complaint belongs. */

import { parse, stringify } from "yaml";

import type { Figure, Level, RuleDefinition } from "../../api/rules";
import { GRADES } from "../../api/alerts";
import { withoutEmpty } from "../../parts/texts";

/** A rule that begins. */
export function newRule(): RuleDefinition {
  return {
    id: "", title: { zh: "", en: "" }, owner: "", watch: { type: "" }, levels: [newLevel("yellow")], figures: {}, lateness: "PT10M", tells: [], opens: null,
    enabled: true,
  };
}

export function newLevel(severity: Level["severity"]): Level {
  return { severity, condition: "" };
}

export function newFigure(): Figure {
  return { function: "sum", of: "", window: "sliding", over: "PT1H" };
}

/** The next grade that no level has yet; undefined when all have one. */
export function freeGrade(levels: Level[]): Level["severity"] | undefined {
  return GRADES.toReversed().find((grade) => !levels.some((level) => level.severity === grade));
}

/** A name that no figure has yet. */
export function freeName(figures: Record<string, Figure>): string {
  for (let n = 1; ; n++) if (!(`figure${n}` in figures)) return `figure${n}`;
}

/** The same figures in their order, one under another name; as they were when the name is taken or empty. */
export function renamed(figures: Record<string, Figure>, from: string, to: string): Record<string, Figure> {
  if (!to || to in figures) return figures;
  return Object.fromEntries(Object.entries(figures).map(([name, figure]) => [name === from ? to : name, figure]));
}

/** The rule as the hub takes it: without what says nothing, the gravest level first. */
export function spareRule(rule: RuleDefinition): RuleDefinition {
  const { version: _version, ...said } = rule;
  const levels = [...rule.levels].sort((a, b) => GRADES.indexOf(a.severity) - GRADES.indexOf(b.severity));
  const spare = withoutEmpty({ ...said, levels }) as Partial<RuleDefinition>;
  return { owner: "", ...spare, id: rule.id, title: spare.title ?? {}, watch: spare.watch ?? { type: "" }, levels: levels.map((level) => withoutEmpty(level) as Level) };
}

export function ruleToYaml(rule: RuleDefinition): string {
  return stringify(spareRule(rule), { lineWidth: 120 });
}

/** A rule from YAML or JSON. Throws an Error that says which line is wrong, or "{}" when it is no object. */
export function ruleFromYaml(text: string): RuleDefinition {
  const value: unknown = parse(text, { maxAliasCount: 0 });
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("{}");
  return { ...newRule(), ...(value as Partial<RuleDefinition>) };
}

/** What the hub complains of, at the part of the form that it names; the rest under "". */
export function complaintsBy(problems: string[], rule: RuleDefinition): Record<string, string[]> {
  const sorted: Record<string, string[]> = {};
  for (const problem of problems) (sorted[placeOf(problem, rule)] ??= []).push(problem);
  return sorted;
}

function placeOf(problem: string, rule: RuleDefinition): string {
  const level = /levels?\[(\d+)\]/.exec(problem)?.[1];
  if (level !== undefined) return `level ${level}`;
  const grade = /\blevel '?(red|orange|yellow|blue)\b/.exec(problem)?.[1];
  if (grade) return `level ${rule.levels.findIndex((one) => one.severity === grade)}`;
  const figure = /figures?[.[ ]'?"?([\w\p{L}]+)/u.exec(problem)?.[1];
  if (figure && figure in (rule.figures ?? {})) return `figure ${figure}`;
  return /\bwatch\b/.test(problem) ? "watch" : "";
}
