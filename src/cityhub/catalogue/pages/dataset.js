// One dataset: what it is, how to get it, how good it is, what is in it.

import { make, mark, percent, ROOT } from "/open-data/parts/elements.js";
import { timeText } from "/pages/form.js";
import { currentLanguage, hasWord, inLanguage, word } from "/pages/words.js";

const SAMPLE = 10;

export async function showDataset(place, name, read, fresh) {
  if (fresh) place.replaceChildren(make("p", { class: "quiet" }, word("od.loading")));
  const address = `${ROOT}/datasets/${encodeURIComponent(name)}`;
  let dataset;
  try {
    dataset = await read(address);
  } catch (error) {
    place.replaceChildren(back());
    throw error;
  }
  const [sample, quality, lineage] = await Promise.all([
    read(`${address}/sample?limit=${SAMPLE}&lang=${currentLanguage()}`).catch((error) => ({ fields: [], rows: [], why: error.message })),
    read(`${address}/quality`),
    read(`${address}/lineage`),
  ]);
  const title = make("h1", {}, inLanguage(dataset.title, dataset.name));
  if (dataset.simulated) title.append(mark("simulated"));
  if (!dataset.open) title.append(mark("closed"));
  document.title = inLanguage(dataset.title, dataset.name);
  const description = inLanguage(dataset.description);
  place.replaceChildren(
    back(),
    title,
    description ? make("p", { class: "lead" }, description) : "",
    downloads(dataset, sample),
    make("div", { class: "pair" }, about(dataset), profile(quality, dataset)),
    sampleTable(dataset, sample),
    fieldTable(dataset, quality.latest),
    origin(dataset, lineage.graph),
    examples(dataset),
  );
  for (const empty of place.querySelectorAll("section:empty")) empty.remove();
  if (fresh) scrollTo({ top: 0 });
}

const back = () => make("nav", {}, make("a", { href: "/open-data" }, `‹ ${word("od.back")}`));
const panel = (title, ...children) => make("section", { class: "panel" }, make("h2", {}, title), ...children);

function downloads(dataset, sample) {
  const files = dataset.distributions.filter((one) => !one.service && one.url);
  if (!files.length) return make("section");
  const links = files.map((one) => {
    const rows = one.url.includes("/download/") && typeof sample.total === "number" ? word("od.rows", { rows: sample.total }) : "";
    const name = one.name && one.name !== one.format ? one.name : "";
    const link = make("a", { href: one.url }, one.format || one.name, make("small", {}, [name, rows].filter(Boolean).join(" · ") || " "));
    if (one.url.startsWith(location.origin)) link.setAttribute("download", "");
    return link;
  });
  return panel(word("od.downloads"), make("div", { class: "downloads" }, ...links));
}

function about(dataset) {
  const lines = [
    [word("od.provider"), inLanguage(dataset.provider)],
    [word("od.cycle"), word(`od.cycle.${dataset.cycle}`)],
    [word("od.share"), word(`od.share.${dataset.share}`)],
    [word("od.licence"), licence(dataset.licence)],
    [word("od.filter.theme"), dataset.themes.map((theme) => inLanguage(theme.title)).join(currentLanguage() === "zh" ? "、" : ", ")],
    [word("od.source"), currentLanguage() === "zh" ? dataset.source : ""],
    ["信息资源代码", dataset.code],
    ["数据分级", dataset.national["数据分级"]],
    ["发布日期", dataset.national["发布日期"]],
    [word("od.modified"), timeText(dataset.modified)],
  ];
  const english = { 信息资源代码: "Resource code", 数据分级: "", 发布日期: "Published" };
  const shown = lines.map(([name, text]) => [currentLanguage() === "zh" ? name : english[name] ?? name, text]).filter(([name, text]) => name && text);
  return panel(word("od.about"), make("dl", { class: "about" }, ...shown.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)])));
}

function licence(known) {
  const title = inLanguage(known.title, known.id);
  return known.url ? make("a", { href: known.url, rel: "license noreferrer" }, title) : title;
}

function profile({ latest }, dataset) {
  if (!latest) return panel(word("od.profile"), make("p", { class: "quiet" }, word("od.profile.none")));
  const scores = ["completeness", "timeliness", "validity"].map((name) => {
    const value = latest[name];
    if (typeof value !== "number") return make("div", {}, make("span", {}, word(`od.${name}`)), make("span", { class: "quiet" }, word("od.notMeasured")));
    const meter = make("meter", { min: 0, max: 1, low: 0.6, high: 0.9, optimum: 1, value, "aria-label": word(`od.${name}`) });
    return make("div", {}, make("span", {}, word(`od.${name}`)), make("b", {}, percent(value)), meter);
  });
  const failed = latest.rules.filter((rule) => !rule.holds).map((rule) => word(`od.rule.${rule.kind}`, { field: fieldTitle(dataset, rule.field) }));
  return panel(
    word("od.profile"),
    make("div", { class: "scores" }, ...scores),
    failed.length ? make("p", { class: "small" }, word("od.profile.failed", { rules: failed.join(currentLanguage() === "zh" ? "；" : "; ") })) : "",
    make("p", { class: "small" }, word("od.profile.at", { at: timeText(latest.at), rows: latest.rows })),
  );
}

function fieldTitle(dataset, name) {
  const field = dataset.fields.find((one) => one.name === name);
  return inLanguage(field?.title, name) || name;
}

function unitText(unit) {
  return hasWord(`code.${unit}`) ? word(`code.${unit}`) : unit;
}

function head(...names) {
  return make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name))));
}

function fieldTable(dataset, latest) {
  if (!dataset.fields.length) return make("section");
  const filled = new Map((latest?.fields ?? []).map((one) => [one.name, one.complete]));
  const lines = dataset.fields.map((field) => {
    const part = filled.get(field.name);
    return make("tr", {}, make("th", { scope: "row" }, make("code", {}, field.name)), make("td", {}, inLanguage(field.title)),
      make("td", {}, word(`od.type.${field.type}`)), make("td", {}, unitText(field.unit)), make("td", { class: "number" }, typeof part === "number" ? percent(part) : "—"));
  });
  const titles = head(word("od.field.name"), word("od.field.title"), word("od.field.type"), word("od.field.unit"), word("od.field.complete"));
  titles.querySelector("th:last-child").className = "number";
  return panel(word("od.fields"), make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": word("od.fields") }, make("table", { class: "fields" }, titles, make("tbody", {}, ...lines))));
}

function sampleTable(dataset, sample) {
  if (!sample.rows.length) return dataset.hasRows ? make("section") : panel(word("od.sample"), make("p", { class: "quiet" }, word("od.sample.none")));
  // Ids, and columns that say nothing in the sample, are left to the file.
  const told = sample.fields.filter((field) => field.name !== "id" && sample.rows.some((row) => row[field.name] !== null && row[field.name] !== undefined));
  const fields = told.toSorted((one, other) => rank(one) - rank(other));
  const titles = fields.map((field) => {
    const unit = unitText(field.unit);
    return make("th", { scope: "col", class: isNumeric(field) ? "number" : "" }, inLanguage(field.title, field.name) || field.name, unit ? make("span", { class: "unit" }, ` (${unit})`) : "");
  });
  const lines = sample.rows.map((row) => make("tr", {}, ...fields.map((field) => {
    const value = row[field.name];
    return make("td", { class: isNumeric(field) ? "number" : "" }, cell(value, field));
  })));
  const table = make("table", { class: "sample" }, make("thead", {}, make("tr", {}, ...titles)), make("tbody", {}, ...lines));
  return panel(
    word("od.sample"),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": word("od.sample") }, table),
    make("p", { class: "small" }, word("od.sample.note", { rows: sample.rows.length, total: sample.total ?? "…" })),
  );
}

const isNumeric = (field) => field.type === "number" || field.type === "integer";

// Names first, then readings and their time; places and links to other things last.
function rank(field) {
  if (field.name === "name") return 0;
  if (isNumeric(field)) return 1;
  if (field.name === "observed_at" || field.name === "simulated") return 2;
  return field.type === "geometry" || field.type === "object" ? 4 : 3;
}

function cell(value, field) {
  if (value === null || value === undefined) return "—";
  if (typeof value === "boolean") return word(value ? "od.yes" : "od.no");
  if (field.type === "datetime" && typeof value === "string") return timeText(value);
  if (field.type === "geometry" && value.type === "Point") return value.coordinates.slice(0, 2).join(", ");
  if (field.type === "geometry") return value.type ?? "—";
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "object") return JSON.stringify(value);
  return hasWord(`word.${value}`) ? word(`word.${value}`) : String(value);
}

// The datasets one step before and one step after this one.
function origin(dataset, graph) {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const here = graph.nodes.find((node) => node.dataset === dataset.id)?.id;
  const before = graph.edges.filter((edge) => edge.to === here).flatMap((edge) => graph.edges.filter((other) => other.to === edge.from).map((other) => other.from));
  const after = graph.edges.filter((edge) => edge.from === here).flatMap((edge) => graph.edges.filter((other) => other.from === edge.to).map((other) => other.to));
  const links = (ids) => [...new Set(ids)].map((id) => nodes.get(id)).map((node) => make("li", {}, node.dataset
    ? make("a", { href: `/open-data/${node.name}` }, inLanguage(node.title, node.name)) : node.name));
  const self = make("li", {}, make("b", {}, inLanguage(dataset.title, dataset.name)));
  const sources = links(before);
  const uses = links(after);
  if (!sources.length && !uses.length) return make("section");
  return panel(
    word("od.lineage"),
    ...(sources.length ? [make("ul", { class: "chain" }, ...sources, self)] : []),
    ...(uses.length ? [make("h3", {}, word("od.lineage.to")), make("ul", { class: "chain" }, ...uses)] : []),
  );
}

function examples(dataset) {
  const blocks = dataset.examples.map(({ title, text }) => {
    const button = make("button", { type: "button" }, word("od.copy"));
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text);
      button.textContent = word("od.copied");
    });
    return make("div", { class: "example" }, make("header", {}, make("h3", {}, title), button), make("pre", { tabindex: 0 }, text));
  });
  return panel(word("od.examples"), ...blocks);
}
