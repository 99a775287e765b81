/** Every text is there in both languages, with the same {names} in it, and every text that a page asks for exists. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import en from "../src/words/en.json";
import zh from "../src/words/zh.json";

const SOURCES = join(import.meta.dirname, "../src");
const sources = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.(vue|ts)$/.test(name))
  .map((name) => readFileSync(join(SOURCES, name), "utf8"));
const names = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "").sort();

test("both catalogues have the same keys, in the same order", () => {
  expect(Object.keys(en)).toEqual(Object.keys(zh));
});

test.each(Object.entries(zh))("%s fills in the same names in both languages", (key, text) => {
  expect(names((en as Record<string, string>)[key] ?? "")).toEqual(names(text));
});

test("Chinese texts are Chinese, and English ones have no Chinese but the language's own name", () => {
  const mixed = Object.entries(en).filter(([key, text]) => key !== "frame.language.other" && /[\u4e00-\u9fff]/.test(text));
  expect(mixed).toEqual([]);
});

test("every key that a page names is in the catalogue", () => {
  const asked = sources.flatMap((text) => [...text.matchAll(/\bword\(\s*"([^"]+)"/g)].map((match) => match[1] ?? ""));
  expect(asked.length).toBeGreaterThan(20);
  expect(asked.filter((key) => !(key in zh))).toEqual([]);
});

test("no text stands in a component itself", () => {
  const written = sources.flatMap((text) => {
    const template = /<template>([\s\S]*)<\/template>/.exec(text)?.[1] ?? "";
    return template.match(/[\u4e00-\u9fff]+/g) ?? [];
  });
  expect(written).toEqual([]);
});

test("no key is left over", () => {
  const written = sources.join("\n");
  const prefixes = [...written.matchAll(/`([a-zA-Z.]+)\.\$\{/g)].map((match) => `${match[1]}.`);
  const unused = Object.keys(zh).filter((key) => !written.includes(`"${key}"`) && !written.includes(`'${key}'`) && !prefixes.some((prefix) => key.startsWith(prefix)));
  expect(unused).toEqual([]);
});
