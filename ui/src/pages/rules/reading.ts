/** How a rule reads: whether something is wrong with it, and how often it was right. */

import type { Rule } from "../../api/rules";
import { numberText } from "../../frame/times";
import { word } from "../../frame/words";

/** Whether its owner must look at it. */
export function isTrouble(rule: Rule): boolean {
  return rule.status.state === "failing" || rule.status.state === "refused";
}

/** Those that fail first, then by id. */
export function byTrouble(a: Rule, b: Rule): number {
  return Number(isTrouble(b)) - Number(isTrouble(a)) || a.id.localeCompare(b.id);
}

/** The share of its closed alerts that were right, with how many there were. */
export function precisionText(rule: Rule): string {
  const { precision } = rule;
  if (!precision || precision.value === null || precision.value === undefined) return "—";
  return word("rules.precision.value", { share: numberText(precision.value * 100, 1), n: numberText(precision.closed) });
}
