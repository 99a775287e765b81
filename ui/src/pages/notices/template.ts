/** What a template fills in. */

import type { Template } from "../../api/notices";

const KNOWN: Record<string, unknown> = {
  severity: "orange", grade: "orange", title: "暴雨 / Rainstorm", number: "2026-000123", subject: "阿蓬江雨量站", reason: "1 h 雨量 52 mm ≥ 50 mm", at: "2026-11-23T06:05:00Z",
};

/** Names in the braces of all its texts, each once; words in quotes are texts and not names. */
export function namesIn(template: Template): string[] {
  const texts = [template.subject, template.text, template.short ?? {}].flatMap((names) => Object.values(names));
  const inBraces = texts.flatMap((text) => [...(text ?? "").replaceAll("{{", "").matchAll(/\{([^{}]+)\}/g)].map((match) => match[1] ?? ""));
  const names = inBraces.flatMap((expression) => expression.replace(/"[^"]*"/g, "").match(/[\p{L}_][\p{L}\d_]*/gu) ?? []);
  return [...new Set(names)].filter((name) => !["if", "then", "else", "and", "or", "not", "null", "true", "false", "in", "for", "return", "string", "number", "date", "time"].includes(name));
}

/** Values to try it with: well-known names have likely ones. */
export function sampleOf(template: Template): Record<string, unknown> {
  return Object.fromEntries(namesIn(template).map((name) => [name, KNOWN[name] ?? name]));
}
