// The residents' open-data page: the list at /open-data, one dataset at /open-data/{name}.

import { showDataset } from "/open-data/parts/dataset.js";
import { make, mark, percent, ROOT } from "/open-data/parts/elements.js";
import { chooseTheme, remember, remembered } from "/pages/choices.js";
import { currentLanguage, inLanguage, loadWords, setLanguage, translatePage, word } from "/pages/words.js";

const PAGE = 20;
const FILTERS = ["theme", "provider", "cycle", "share", "format"];
const narrow = matchMedia("(max-width: 860px)");
const $ = (id) => document.getElementById(id);

let district = { zh: "", en: "" };
let everything = false;
let shown = null;

// -- Choices that stay with the person ----------------------------------------------------------------------------------

function chooseSize(size) {
  if (size === "large") document.documentElement.dataset.text = "large";
  else delete document.documentElement.dataset.text;
  $("large").setAttribute("aria-pressed", String(size === "large"));
}

function chooseLanguage(language) {
  setLanguage(language);
  translatePage();
  $("language").textContent = word("language");
  $("language").lang = currentLanguage() === "zh" ? "en" : "zh-CN";
  $("site").textContent = word("od.site", { district: inLanguage(district) }).trim();
  document.querySelector("#list h1").textContent = word(everything ? "od.title.all" : "od.title");
  document.querySelector("#list .lead").textContent = word(everything ? "od.lead.all" : "od.lead");
}

// -- Reading ------------------------------------------------------------------------------------------------------------

async function read(address) {
  const response = await fetch(address);
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw Object.assign(new Error(problem.detail ?? String(response.status)), { status: response.status });
  }
  return response.json();
}

function tell(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

// -- The list -----------------------------------------------------------------------------------------------------------

function asked() {
  const address = new URLSearchParams(location.search);
  const query = new URLSearchParams({ limit: PAGE, offset: address.get("offset") ?? 0 });
  for (const name of ["q", "sort", ...FILTERS]) if (address.get(name)) query.set(name, address.get(name));
  return query;
}

// Puts a choice into the address; the list follows the address, also when the person goes back.
function choose(changes) {
  const address = new URLSearchParams(location.search);
  address.delete("offset");
  for (const [name, value] of Object.entries(changes)) {
    if (value) address.set(name, value);
    else address.delete(name);
  }
  history.pushState(null, "", `/open-data${address.size ? `?${address}` : ""}`);
  showList();
}

async function showList() {
  const query = asked();
  $("one").hidden = true;
  $("list").hidden = false;
  $("words").value = query.get("q") ?? "";
  $("sort").value = query.get("sort") ?? "";
  document.title = $("site").textContent;
  if (!$("datasets").children.length) $("count").textContent = word("od.loading");
  const found = await read(`${ROOT}/datasets?${query}`);
  if (query.toString() !== asked().toString()) return;
  $("count").textContent = word(query.get("q") ? "od.count.words" : "od.count", { total: found.total, words: query.get("q") });
  $("datasets").replaceChildren(...found.datasets.map(item));
  if (!found.total) {
    const filtered = query.get("q") || FILTERS.some((name) => query.get(name));
    $("datasets").append(make("li", { class: "empty" }, word(filtered ? "od.none" : "od.empty")));
  }
  showFilters(found.facets, query);
  const last = Math.min(found.offset + PAGE, found.total);
  $("pages").hidden = found.total <= PAGE;
  $("range").textContent = word("od.range", { from: found.offset + 1, to: last, total: found.total });
  $("before").disabled = found.offset === 0;
  $("after").disabled = last >= found.total;
}

function item(dataset) {
  const link = make("a", { href: `/open-data/${dataset.name}` }, inLanguage(dataset.title, dataset.name));
  const title = make("h3", {}, link);
  if (dataset.simulated) title.append(mark("simulated"));
  if (!dataset.open) title.append(mark("closed"));
  const facts = [
    ["provider", inLanguage(dataset.provider)],
    ["cycle", word(`od.cycle.${dataset.cycle}`)],
    ["share", word(`od.share.${dataset.share}`)],
    ["quality", score(dataset.quality)],
    ["formats", dataset.formats.join(" ")],
  ].filter(([, text]) => text);
  const list = make("dl", { class: "facts" }, ...facts.map(([name, text]) => make("div", {}, make("dt", {}, `${word(`od.${name}`)} `), make("dd", {}, text))));
  const text = inLanguage(dataset.description);
  return make("li", {}, title, text ? make("p", { class: "text" }, text) : "", list);
}

// The mean of the figures that were measured.
function score(quality) {
  const figures = ["completeness", "timeliness", "validity"].map((name) => quality?.[name]).filter((value) => typeof value === "number");
  return figures.length ? percent(figures.reduce((sum, value) => sum + value, 0) / figures.length) : "";
}

function showFilters(facets, query) {
  const open = $("filters").querySelector("details")?.open;
  const groups = FILTERS.filter((name) => facets[name].length > 1 || query.get(name)).map((name) => filter(name, facets[name], query));
  if (narrow.matches) {
    const chosen = FILTERS.reduce((sum, name) => sum + (query.get(name)?.split(",").length ?? 0), 0);
    const summary = make("summary", {}, word("od.filters.show") + (chosen ? ` (${chosen})` : ""));
    const details = make("details", {}, summary, ...groups);
    details.open = Boolean(open);
    $("filters").replaceChildren(details);
  } else $("filters").replaceChildren(...groups);
}

function filter(name, values, query) {
  const chosen = new Set((query.get(name) ?? "").split(",").filter(Boolean));
  const lines = values.map(({ value, title, count }) => {
    const box = make("input", { type: "checkbox" });
    box.checked = chosen.has(value);
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(value);
      else chosen.delete(value);
      choose({ [name]: [...chosen].join(",") });
    });
    return make("label", {}, box, make("span", {}, label(name, value, title)), make("span", {}, String(count)));
  });
  return make("fieldset", {}, make("legend", {}, word(`od.filter.${name}`)), ...lines);
}

function label(name, value, title) {
  if (name === "share" || name === "cycle") return word(`od.${name}.${value}`);
  return inLanguage(title, value) || value;
}

// -- Where we are -------------------------------------------------------------------------------------------------------

async function show() {
  tell("");
  const name = decodeURIComponent(location.pathname.split("/")[2] ?? "");
  try {
    if (name) {
      $("list").hidden = true;
      $("one").hidden = false;
      await showDataset($("one"), name, read, shown !== name);
    } else await showList();
    shown = name;
  } catch (error) {
    tell(error.status === 404 ? word("od.missing") : word("od.error", { reason: error.message }));
  }
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  choose({ q: $("words").value.trim(), sort: "" });
});
$("sort").addEventListener("change", () => choose({ sort: $("sort").value }));
for (const [id, step] of [["before", -PAGE], ["after", PAGE]]) {
  $(id).addEventListener("click", () => {
    const address = new URLSearchParams(location.search);
    choose({ offset: Math.max(0, Number(address.get("offset") ?? 0) + step) || "" });
    scrollTo({ top: 0 });
  });
}
$("language").addEventListener("click", () => {
  const next = currentLanguage() === "zh" ? "en" : "zh";
  remember("language", next);
  chooseLanguage(next);
  show();
});
$("theme").addEventListener("change", () => {
  remember("theme", $("theme").value);
  chooseTheme($("theme").value);
});
$("large").addEventListener("click", () => {
  const size = document.documentElement.dataset.text === "large" ? "usual" : "large";
  remember("text", size);
  chooseSize(size);
});
addEventListener("popstate", show);
narrow.addEventListener("change", show);

chooseTheme(remembered("theme") ?? "auto");
chooseSize(remembered("text") ?? "usual");
await loadWords("/open-data/parts/open-data-messages.json");
const words = await read(`${ROOT}/words`).catch(() => null);
if (words) ({ everything, district } = words);
chooseLanguage(new URLSearchParams(location.search).get("lang") ?? remembered("language") ?? "zh");
await show();
