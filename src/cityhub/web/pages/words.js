// The words of the page in two languages, from one catalogue.

let catalogue = { zh: {}, en: {} };
let language = "zh";

// Reads the words of the hub's pages, and those of further addresses.
export async function loadWords(...addresses) {
  for (const address of ["/pages/messages.json", ...addresses]) {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${address}: ${response.status}`);
    const words = await response.json();
    for (const tag of Object.keys(words)) catalogue[tag] = { ...catalogue[tag], ...words[tag] };
  }
}

export const currentLanguage = () => language;

export function setLanguage(next) {
  language = next in catalogue ? next : "zh";
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

// The text of a key with {names} filled in; the key itself when there is none, so that a gap is seen.
export function word(key, values = {}) {
  const text = catalogue[language][key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export const hasWord = (key) => catalogue[language][key] !== undefined;

export const attributeName = (name) => (hasWord(`attr.${name}`) ? word(`attr.${name}`) : name);

// One text of a language map: the page's language, else Chinese, else any.
export function inLanguage(map, otherwise = "") {
  if (typeof map === "string") return map;
  if (!map) return otherwise;
  return map[language] ?? map.zh ?? Object.values(map)[0] ?? otherwise;
}

// Writes every text of the page that stands in the HTML itself.
export function translatePage() {
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = word(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", word(node.dataset.tLabel));
  for (const node of document.querySelectorAll("[data-t-placeholder]")) node.placeholder = word(node.dataset.tPlaceholder);
}
