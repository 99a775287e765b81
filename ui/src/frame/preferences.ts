/** What a person chose stays in the browser, under the names that the hub's other pages use too. */

import { reactive, watch } from "vue";

export type Language = "zh" | "en";
export type Theme = "auto" | "light" | "dark";

export interface Preferences {
  language: Language;
  theme: Theme;
  large: boolean;
}

export const preferences: Preferences = reactive({
  language: firstLanguage(new URLSearchParams(location.search).get("lang") ?? remembered("language")),
  theme: firstTheme(new URLSearchParams(location.search).get("theme") ?? remembered("theme")),
  large: remembered("large") === "yes",
});

/** Puts the choices onto the document, now and whenever they change. */
export function applyPreferences(root: HTMLElement = document.documentElement): void {
  watch(
    preferences,
    ({ language, theme, large }) => {
      root.lang = language === "zh" ? "zh-CN" : "en";
      if (theme === "auto") delete root.dataset["theme"];
      else root.dataset["theme"] = theme;
      root.classList.toggle("large", large);
      remember("language", language);
      remember("theme", theme);
      remember("large", large ? "yes" : "no");
    },
    { immediate: true, flush: "sync" },
  );
}

function firstLanguage(word: string | null): Language {
  return word === "en" ? "en" : "zh";
}

function firstTheme(word: string | null): Theme {
  return word === "light" || word === "dark" ? word : "auto";
}

function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`cityhub.${name}`);
  } catch {
    return null;
  }
}

function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`cityhub.${name}`, value);
  } catch {
    // A browser without storage forgets.
  }
}
