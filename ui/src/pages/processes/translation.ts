/** The words of bpmn.io's tools in the language of the page. */

import type { Language } from "../../frame/preferences";

/** A module for the modeller. What has no translation stays in English. */
export async function translator(language: Language): Promise<{ translate: [string, (template: string, values?: Record<string, string>) => string] }> {
  const words: Record<string, string> = language === "zh" ? (await import("../../words/bpmn.zh.json")).default : {};
  const translate = (template: string, values: Record<string, string> = {}): string =>
    (words[template] ?? template).replace(/\{([^}]+)\}/g, (whole, name: string) => values[name] ?? whole);
  return { translate: ["value", translate] };
}
