// The table of live readings. Its order never follows the values, so rows stay where they are under the pointer.

import { KINDS } from "./entities.js";
import { ageText, hubNow, isLate, readingText, secondsSince, timeText } from "./form.js";
import { attributeName, currentLanguage, inLanguage, word } from "./words.js";

const PAGE = matchMedia("(max-width: 719px)").matches ? 10 : 20;
const OTHERS = 5;
const kinds = Object.keys(KINDS);

export class ReadingTable {
  constructor(elements, feedOf) {
    this.elements = elements;
    this.feedOf = feedOf;
    this.rows = new Map();
    this.order = [];
    this.shown = new Map();
    this.page = 0;
    this.stale = false;
    this.loaded = false;
    const parameters = new URLSearchParams(location.search);
    this.kind = kinds.includes(parameters.get("kind")) ? parameters.get("kind") : "";
    this.search = parameters.get("search") ?? "";
    elements.search.value = this.search;
    elements.kind.addEventListener("change", () => this.filter(elements.kind.value, this.search));
    elements.search.addEventListener("input", () => this.filter(this.kind, elements.search.value));
    elements.before.addEventListener("click", () => this.turn(-1));
    elements.after.addEventListener("click", () => this.turn(1));
    elements.body.addEventListener("pointerleave", () => this.stale && this.arrange());
  }

  // Fills the choice of kinds in the page's language.
  translate() {
    const options = ["", ...kinds].map((kind) => {
      const option = document.createElement("option");
      option.value = kind;
      option.textContent = word(kind ? `kind.${kind}` : "kind.all");
      return option;
    });
    this.elements.kind.replaceChildren(...options);
    this.elements.kind.value = this.kind;
    this.arrange();
  }

  setAll(rows) {
    this.loaded = true;
    this.rows = new Map(rows.map((row) => [row.id, row]));
    this.arrange();
  }

  put(row) {
    const known = this.rows.has(row.id);
    this.rows.set(row.id, row);
    if (!known) this.later();
    else if (this.shown.has(row.id)) this.fill(this.shown.get(row.id), row, true);
  }

  remove(id) {
    if (this.rows.delete(id)) this.later();
  }

  // A row came or went: the order changes now, or when the pointer has left the table.
  later() {
    this.stale = true;
    if (this.elements.body.matches(":hover") || this.waiting) return;
    this.waiting = setTimeout(() => {
      this.waiting = 0;
      if (!this.elements.body.matches(":hover")) this.arrange();
    }, 300);
  }

  filter(kind, search) {
    this.kind = kind;
    this.search = search;
    this.page = 0;
    const address = new URL(location.href);
    for (const [name, value] of [["kind", kind], ["search", search]]) {
      if (value) address.searchParams.set(name, value);
      else address.searchParams.delete(name);
    }
    history.replaceState(null, "", address);
    this.arrange();
  }

  turn(step) {
    this.page += step;
    this.arrange();
  }

  arrange() {
    this.stale = false;
    const wanted = this.search.trim().toLowerCase();
    const collator = new Intl.Collator(currentLanguage() === "zh" ? "zh-CN" : "en", { numeric: true });
    this.order = [...this.rows.values()]
      .filter((row) => (!this.kind || row.kind === this.kind) && (!wanted || inLanguage(row.names).toLowerCase().includes(wanted)))
      .sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || collator.compare(a.id, b.id));
    const pages = Math.max(1, Math.ceil(this.order.length / PAGE));
    this.page = Math.min(Math.max(0, this.page), pages - 1);
    const from = this.page * PAGE;
    const visible = this.order.slice(from, from + PAGE);
    this.shown = new Map(visible.map((row) => [row.id, this.make(row)]));
    this.elements.body.replaceChildren(...[...this.shown.values()].map((cells) => cells.line));
    if (!visible.length) this.elements.body.append(this.explain());
    const total = this.order.length;
    this.elements.range.textContent = total ? word("table.range", { from: from + 1, to: from + visible.length, total }) : "0";
    this.elements.before.disabled = this.page === 0;
    this.elements.after.disabled = this.page >= pages - 1;
  }

  explain() {
    const line = document.createElement("tr");
    const cell = line.insertCell();
    cell.colSpan = 5;
    cell.className = "quiet";
    cell.textContent = word(!this.loaded ? "state.loading" : this.rows.size ? "table.none" : "table.empty");
    return line;
  }

  make(row) {
    const line = document.createElement("tr");
    const name = document.createElement("th");
    name.scope = "row";
    line.append(name);
    const cells = { line, name, value: line.insertCell(), others: line.insertCell(), time: line.insertCell(), source: line.insertCell() };
    cells.value.className = "number";
    cells.others.className = "others";
    cells.time.className = "moment";
    cells.source.className = "source";
    this.fill(cells, row, false);
    return cells;
  }

  fill(cells, row, fade) {
    const main = row.readings[0];
    const { value, unit } = readingText(main);
    write(cells.name, inLanguage(row.names, row.id));
    const before = cells.value.dataset.value;
    if (before !== `${value} ${unit}`) {
      cells.value.dataset.value = `${value} ${unit}`;
      const figure = document.createElement("b");
      figure.textContent = value;
      const tail = document.createElement("span");
      tail.className = "unit";
      tail.textContent = unit;
      cells.value.replaceChildren(figure, " ", tail);
      if (main.simulated) cells.value.append(" ", mark("simulated"));
      if (main.unverified) cells.value.append(" ", mark("unverified"));
      if (fade && before !== undefined) flash(cells.value);
    }
    writeList(cells.others, otherReadings(row));
    write(cells.time, momentText(main));
    cells.time.title = main.observedAt ? timeText(main.observedAt) : "";
    write(cells.source, this.feedName(main) || main.source || row.source || "—");
    this.age(cells, main);
  }

  feedName(reading) {
    const feed = reading.feed && this.feedOf(reading.feed);
    return feed ? inLanguage(feed.name) : "";
  }

  // Dims a reading that its feed should have renewed already.
  age(cells, reading) {
    const feed = reading.feed && this.feedOf(reading.feed);
    const age = secondsSince(reading.observedAt);
    const late = Boolean(feed?.period_s) && isLate(age, feed.period_s);
    cells.line.classList.toggle("late", late);
    if (late) write(cells.time, `${momentText(reading)} · ${word("late", { age: ageText(age) })}`);
  }

  // Looks for readings that became late without a change.
  tick() {
    for (const [id, cells] of this.shown) this.age(cells, this.rows.get(id).readings[0]);
  }
}

// When a reading was taken: its period where it has one, the time of day for today, else date and time.
function momentText(reading) {
  if (reading.period) return reading.period.replace("/", " / ");
  if (!reading.observedAt) return "—";
  const text = timeText(reading.observedAt);
  return text.slice(0, 10) === timeText(new Date(hubNow()).toISOString()).slice(0, 10) ? text.slice(11) : text;
}

function otherReadings(row) {
  const { note } = row.readings[0];
  return (note && currentLanguage() === "zh" ? [note] : []).concat(row.readings.slice(1, 1 + OTHERS).map((reading) => {
    const { value, unit } = readingText(reading);
    return `${attributeName(reading.attribute)} ${value}${unit ? ` ${unit}` : ""}`;
  }));
}

// Writes texts that each stay on one line, with a point between them.
function writeList(cell, texts) {
  const key = texts.join(" · ");
  if (cell.dataset.key === key) return;
  cell.dataset.key = key;
  cell.replaceChildren(...texts.flatMap((text, place) => {
    const node = document.createElement("span");
    node.textContent = place < texts.length - 1 ? `${text} ·` : text;
    return place ? [" ", node] : [node];
  }));
}

function write(cell, text) {
  if (cell.textContent !== text) cell.textContent = text;
}

// A trust mark: "simulated" or "unverified".
export function mark(kind) {
  const node = document.createElement("span");
  node.className = "trust";
  node.textContent = word(kind);
  node.title = word(`${kind}.long`);
  return node;
}

export function flash(node) {
  node.classList.remove("changed");
  void node.offsetWidth;
  node.classList.add("changed");
}
