/** Every text of the pages, by language; the catalogue of one language is loaded when it is first wanted. */

import { createI18n } from "vue-i18n";

import type zh from "../words/zh.json";
import { preferences, type Language } from "./preferences";

export type Words = typeof zh;
export type WordKey = keyof Words;
/** Text by language tag, as the hub gives names. */
export type Names = Partial<Record<string, string>>;

const catalogues: Record<Language, () => Promise<{ default: Words }>> = {
  zh: () => import("../words/zh.json"),
  en: () => import("../words/en.json"),
};

export const words = createI18n<[Words], Language, false>({
  legacy: false,
  locale: preferences.language,
  // The catalogues are flat: a key is the whole name of a text.
  messageResolver: (catalogue, key) => (catalogue as Record<string, string>)[key] ?? null,
  missing: (_, key) => key,
});

const loaded = new Set<Language>();

/** Loads a language and speaks it. */
export async function loadWords(language: Language): Promise<void> {
  if (!loaded.has(language)) {
    words.global.setLocaleMessage(language, (await catalogues[language]()).default);
    loaded.add(language);
  }
  words.global.locale.value = language;
}

/** The text of a key in the present language, with its {names} filled in. */
export function word(key: WordKey, values: Record<string, string | number> = {}): string {
  return words.global.t(key, values);
}

/** The text of a key made at run time, or `otherwise` when there is none. */
export function wordOr(key: string, otherwise: string): string {
  return words.global.te(key) ? words.global.t(key) : otherwise;
}

/** One text of a language map: the page's language, else Chinese, else any, else `otherwise`. */
export function inLanguage(names: Names | undefined, otherwise = ""): string {
  if (!names) return otherwise;
  return names[preferences.language] ?? names["zh"] ?? Object.values(names)[0] ?? otherwise;
}

/** Whether a name says by itself that its figures are simulated, so that no mark is needed beside it. */
export function saysSimulated(name: string): boolean {
  return name.toLowerCase().includes(word("simulated").toLowerCase());
}
