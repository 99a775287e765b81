// Small parts that both views of the open-data page are made of.

import { word } from "/pages/words.js";

export const ROOT = "/api/catalogue";

// An element with attributes and children; texts become text, never markup.
export function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== ""));
  return node;
}

// A trust mark: "simulated" or "closed".
export function mark(kind) {
  const node = make("span", { class: "trust" }, word(`od.${kind}`));
  if (kind === "simulated") node.title = word("od.simulated.long");
  return node;
}

// 0.982 as "98%", never rounded up to a full hundred.
export function percent(value) {
  return `${value === 1 ? 100 : Math.min(99, Math.round(value * 100))}%`;
}
