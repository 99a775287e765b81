// The map of the district: boundary, townships' approximate areas, and one layer of live readings.

import { first, noteOf } from "./entities.js";
import { numberText, readingText, timeText } from "./form.js";
import { mark } from "./table.js";
import { attributeName, currentLanguage, inLanguage, word } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const KM_PER_DEGREE = 111.195;
const MARGIN = 14;

// Layers with fixed classes, so that a colour means the same tomorrow.
export const LAYERS = [
  { id: "temperature", kind: "WeatherObserved", breaks: [0, 4, 8, 12, 16, 20, 24, 28, 32], code: "CEL" },
  { id: "precipitation", kind: "WeatherObserved", breaks: [0.1, 2, 5, 10, 20, 50], code: "MMT" },
  { id: "waterLevel", kind: "WaterObserved", breaks: [], code: "MTR", points: true },
  { id: "airQualityIndex", kind: "AirQualityObserved", breaks: [50, 100, 150, 200], code: "C62" },
  { id: "intensity", kind: "TrafficFlowObserved", breaks: [50, 100, 200, 400, 800, 1600], code: "H10" },
  { id: "totalActivePower", kind: "ACMeasurement", breaks: [1000, 2000, 4000, 8000, 16000], code: "KWT" },
];

// The step of a value on the scale of ten, spread evenly over the layer's classes.
const stepOf = (layer, index) => (layer.id === "airQualityIndex" ? index : Math.round((index * 9) / layer.breaks.length));
const classOf = (layer, value) => stepOf(layer, layer.breaks.filter((edge) => value >= edge).length);

function node(name, attributes = {}, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// The short name on the map: without 街道, 镇, 乡, Town and the like.
function shortName(names) {
  return inLanguage(names).replace(/(街道|镇|乡)$/, "").replace(/ (Subdistrict|Town|Township)$/, "");
}

const pen = document.createElement("canvas").getContext("2d");

function widthOf(text, font) {
  pen.font = font;
  return pen.measureText(text).width;
}

export class DistrictMap {
  constructor(elements) {
    this.elements = elements;
    this.layer = LAYERS[0];
    this.towns = [];
    this.district = null;
    this.rows = new Map();
    this.labels = new Map();
    this.areas = new Map();
    this.selected = null;
    elements.layer.addEventListener("change", () => this.choose(elements.layer.value));
    elements.map.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resized()).observe(elements.map);
  }

  translate() {
    this.elements.layer.replaceChildren(...LAYERS.map((layer) => {
      const option = document.createElement("option");
      option.value = layer.id;
      option.textContent = attributeName(layer.id);
      return option;
    }));
    this.elements.layer.value = this.layer.id;
    this.draw();
  }

  setPlaces(district, towns) {
    this.district = district;
    this.towns = towns.map((entity) => ({
      id: entity.id,
      names: first(entity, "name"),
      code: first(entity, "divisionCode"),
      point: first(entity, "location").coordinates,
      area: first(entity, "catchmentArea"),
      entity,
    })).sort((a, b) => a.code.localeCompare(b.code));
    this.draw();
  }

  setRows(rows) {
    this.rows = new Map(rows.map((row) => [row.id, row]));
    this.draw();
  }

  put(row) {
    const known = this.rows.has(row.id);
    this.rows.set(row.id, row);
    if (row.kind === this.layer.kind) {
      if (!known && this.layer.points) this.later();
      else this.paint(row);
    }
    if (row.about && row.about === this.selected) this.laterDetail();
  }

  choose(id) {
    this.layer = LAYERS.find((layer) => layer.id === id) ?? LAYERS[0];
    this.draw();
  }

  resized() {
    if (Math.abs(this.elements.map.clientWidth - (this.width ?? 0)) > 2) this.later();
  }

  later() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.draw(), 120);
  }

  laterDetail() {
    if (this.detailWaiting) return;
    this.detailWaiting = setTimeout(() => {
      this.detailWaiting = 0;
      this.showDetail();
    }, 500);
  }

  // -- Drawing -------------------------------------------------------------------------------------------------------

  draw() {
    const { map, state } = this.elements;
    map.replaceChildren();
    this.labels.clear();
    this.areas.clear();
    const boundary = this.district && first(this.district, "location");
    state.hidden = Boolean(boundary);
    if (!boundary) return;
    this.fit(boundary);
    map.setAttribute("aria-label", word("map.label", { district: inLanguage(first(this.district, "name")), layer: attributeName(this.layer.id) }));
    const outline = this.path(boundary);
    const clip = node("clipPath", { id: "inside" });
    clip.append(node("path", { d: outline }));
    map.append(clip, node("path", { d: outline, class: "land" }));
    const areas = node("g", { "clip-path": "url(#inside)" });
    for (const town of this.towns) areas.append(this.drawArea(town));
    map.append(areas, node("path", { d: outline, class: "boundary" }));
    this.drawLabels();
    map.append(this.scale());
    this.legend();
    this.showDetail();
  }

  fit(boundary) {
    const points = boundary.coordinates.flat(boundary.type === "MultiPolygon" ? 2 : 1);
    const lons = points.map((point) => point[0]);
    const lats = points.map((point) => point[1]);
    const [west, east, south, north] = [Math.min(...lons), Math.max(...lons), Math.min(...lats), Math.max(...lats)];
    const squeeze = Math.cos(((south + north) / 2) * Math.PI / 180);
    this.width = this.elements.map.clientWidth || 420;
    const side = currentLanguage() === "zh" ? 26 : 44;
    const perDegree = Math.min((this.width - 2 * side) / ((east - west) * squeeze), 1150);
    this.height = (north - south) * perDegree + 2 * MARGIN + 26;
    this.elements.map.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.elements.map.setAttribute("height", Math.round(this.height));
    const left = (this.width - (east - west) * squeeze * perDegree) / 2;
    this.place = ([lon, lat]) => [left + (lon - west) * squeeze * perDegree, MARGIN + (north - lat) * perDegree];
    this.pixelsPerKm = perDegree / KM_PER_DEGREE;
  }

  path(geometry) {
    const polygons = geometry.type === "MultiPolygon" ? geometry.coordinates : [geometry.coordinates];
    return polygons.flat().map((ring) => `M${ring.map((point) => this.place(point).map((n) => n.toFixed(1)).join(",")).join("L")}Z`).join("");
  }

  drawArea(town) {
    const area = node("path", { d: town.area ? this.path(town.area) : "", class: "area" });
    area.append(node("title", {}, inLanguage(town.names)));
    area.addEventListener("click", () => this.select(town.id));
    this.areas.set(town.id, area);
    return area;
  }

  // Places a label beside each point where there is room; who finds none keeps only its dot, and its readings below the map.
  drawLabels() {
    const taken = [];
    const family = getComputedStyle(this.elements.map).fontFamily;
    const marks = this.layer.points ? this.gauges() : this.towns;
    for (const item of marks) {
      const [x, y] = this.place(item.point);
      taken.push({ x: x - 4, y: y - 4, w: 8, h: 8 });
    }
    for (const item of marks) {
      const [x, y] = this.place(item.point);
      const name = item.short ?? shortName(item.names);
      const width = widthOf(`${name} `, `12px ${family}`) + widthOf(this.widest(item), `650 12px ${family}`) + 5;
      const spot = this.freeSpot(x, y, width, 15, taken);
      const dot = this.layer.points ? node("rect", { x: x - 4, y: y - 4, width: 8, height: 8, transform: `rotate(45 ${x} ${y})`, class: "gauge" })
        : node("circle", { cx: x, cy: y, r: 2.5, class: "seat" });
      this.elements.map.append(dot);
      if (!spot) continue;
      taken.push(spot);
      if (spot.lead) this.elements.map.append(node("line", { x1: x, y1: y, x2: spot.lead[0], y2: spot.lead[1], class: "lead" }));
      const text = node("text", { x: spot.end ? spot.x + spot.w - 2 : spot.x, y: spot.y + 12, class: "label", "text-anchor": spot.end ? "end" : "start" });
      const value = node("tspan", { class: "figure" });
      const sign = node("tspan", { class: "sign" });
      text.append(node("tspan", {}, `${name} `), value, sign);
      this.elements.map.append(text);
      this.labels.set(item.row ?? item.id, { value, sign });
    }
    for (const row of this.rows.values()) if (row.kind === this.layer.kind) this.paint(row);
  }

  freeSpot(x, y, w, h, taken) {
    const near = [[6, -h / 2], [-6 - w, -h / 2], [-w / 2, -h - 5], [-w / 2, 5], [5, 4], [5, -h - 3], [-5 - w, 4], [-5 - w, -h - 3]];
    const far = [];
    for (const reach of [22, 38, 56, 80, 110]) {
      far.push([-w / 2, reach - 6], [-w / 2, -h - reach + 6], [reach, -h / 2], [-reach - w, -h / 2], [reach, -h - reach / 2], [reach, reach / 2], [-reach - w, -h - reach / 2], [-reach - w, reach / 2]);
    }
    for (const [index, [dx, dy]] of [...near, ...far].entries()) {
      const spot = { x: x + dx, y: y + dy, w, h };
      const inside = spot.x >= 2 && spot.x + w <= this.width - 2 && spot.y >= 2 && spot.y + h <= this.height - 2;
      const free = taken.every((other) => spot.x >= other.x + other.w || spot.x + w <= other.x || spot.y >= other.y + other.h || spot.y + h <= other.y);
      if (inside && free) {
        spot.end = dx < -w / 2 - 1;
        const over = dx === -w / 2;
        if (index >= near.length) spot.lead = over ? [x, dy > 0 ? spot.y + 2 : spot.y + h] : [dx > 0 ? spot.x - 2 : spot.x + w, spot.y + h / 2];
        return spot;
      }
    }
    return null;
  }

  // The text that a place's value takes now, with room for the mark of simulated values.
  widest(item) {
    const row = item.row ? this.rows.get(item.row) : [...this.rows.values()].find((other) => other.kind === this.layer.kind && other.about === item.id);
    const reading = row?.readings.find((other) => other.attribute === this.layer.id);
    if (!reading) return "000.0 ";
    const { value, unit } = readingText(reading);
    return `${value}${this.layer.points ? ` ${unit}` : ""}${reading.simulated ? ` ${word("map.mark")}` : ""}`;
  }

  gauges() {
    const found = [...this.rows.values()].filter((row) => row.kind === this.layer.kind && row.point);
    return found.map((row) => ({
      id: row.id, row: row.id, point: row.point, names: row.names,
      short: inLanguage(row.names).replace(/水位/, "").replace(/（模拟）| \(simulated\)| River/g, ""),
    }));
  }

  // Writes a row's value on its label and its class on its area.
  paint(row) {
    const reading = row.readings.find((item) => item.attribute === this.layer.id);
    if (!reading) return;
    const key = this.layer.points ? row.id : row.about;
    const label = this.labels.get(key);
    const { value, unit } = readingText(reading);
    if (label) {
      label.value.textContent = this.layer.points ? `${value} ${unit}` : value;
      label.sign.textContent = reading.simulated ? ` ${word("map.mark")}` : "";
    }
    if (!this.layer.points) {
      this.areas.get(key)?.setAttribute("class", `area ${this.layer.id} step-${classOf(this.layer, reading.value)}${key === this.selected ? " selected" : ""}`);
    }
    if (!this.latest || reading.observedAt > this.latest) {
      this.latest = reading.observedAt;
      if (this.timeNode) this.timeNode.textContent = timeText(this.latest);
    }
  }

  scale() {
    const km = [20, 10, 5, 2].find((length) => length * this.pixelsPerKm < this.width / 3) ?? 1;
    const length = km * this.pixelsPerKm;
    const group = node("g", { class: "scale", transform: `translate(${this.width - length - 14} ${this.height - 12})` });
    group.append(node("path", { d: `M0,-5V0H${length.toFixed(1)}V-5` }));
    group.append(node("text", { x: length / 2, y: -6, "text-anchor": "middle" }, word("map.km", { km })));
    return group;
  }

  legend() {
    const { legend, note } = this.elements;
    const unit = this.layer.code === "C62" ? "" : word(`code.${this.layer.code}`);
    const title = document.createElement("p");
    const name = document.createElement("b");
    name.textContent = attributeName(this.layer.id) + (unit ? (currentLanguage() === "zh" ? `（${unit}）` : ` (${unit})`) : "");
    this.timeNode = document.createElement("time");
    this.latest = null;
    title.append(name, " ", this.timeNode);
    legend.replaceChildren(title);
    if (this.layer.breaks.length) legend.append(this.ramp());
    if ([...this.rows.values()].some((row) => row.kind === this.layer.kind && row.readings[0].simulated)) {
      const sign = document.createElement("p");
      sign.textContent = word("map.sign", { mark: word("map.mark") });
      legend.append(sign);
    }
    for (const row of this.rows.values()) if (row.kind === this.layer.kind) this.paint(row);
    const boundaryNote = inLanguage(this.boundaryNote);
    const notes = [boundaryNote && word("map.boundary", { note: boundaryNote }), word("map.catchments")].filter(Boolean);
    note.textContent = notes.join(currentLanguage() === "zh" ? "；" : "; ");
  }

  // The colours of the classes side by side, with the values between them.
  ramp() {
    const list = document.createElement("ol");
    for (let index = 0; index <= this.layer.breaks.length; index += 1) {
      const item = document.createElement("li");
      const box = document.createElement("i");
      box.className = `${this.layer.id} step-${stepOf(this.layer, index)}`;
      const edge = document.createElement("span");
      edge.textContent = index ? numberText(this.layer.breaks[index - 1]) : "";
      item.append(box, edge);
      list.append(item);
    }
    return list;
  }

  // -- Choosing a township ---------------------------------------------------------------------------------------------

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!step || !this.towns.length || !this.place) return;
    event.preventDefault();
    const here = this.towns.find((town) => town.id === this.selected);
    if (!here) return this.select(this.towns[0].id);
    const [x, y] = this.place(here.point);
    let best = null;
    for (const town of this.towns) {
      if (town === here) continue;
      const [dx, dy] = this.place(town.point).map((n, index) => n - [x, y][index]);
      const ahead = dx * step[0] + dy * step[1];
      const aside = Math.abs(dx * step[1]) + Math.abs(dy * step[0]);
      if (ahead > 0 && (!best || ahead + 2 * aside < best.cost)) best = { cost: ahead + 2 * aside, id: town.id };
    }
    if (best) this.select(best.id);
  }

  select(id) {
    this.areas.get(this.selected)?.classList.remove("selected");
    this.selected = id;
    const area = this.areas.get(id);
    area?.classList.add("selected");
    area?.parentNode.append(area);
    this.showDetail();
    const town = this.towns.find((item) => item.id === id);
    this.elements.said.textContent = word("map.selected", { name: inLanguage(town.names) }) + this.spoken(id);
  }

  spoken(id) {
    const rows = [...this.rows.values()].filter((row) => row.about === id);
    return rows.map((row) => {
      const { value, unit } = readingText(row.readings[0]);
      return ` ${attributeName(row.readings[0].attribute)} ${value} ${unit}`;
    }).join("");
  }

  showDetail() {
    const { detail } = this.elements;
    const town = this.towns.find((item) => item.id === this.selected);
    if (!town) {
      const hint = document.createElement("p");
      hint.className = "quiet";
      hint.textContent = this.towns.length ? word("map.pick") : "";
      detail.replaceChildren(hint);
      return;
    }
    const title = document.createElement("h3");
    title.textContent = inLanguage(town.names);
    const list = document.createElement("dl");
    this.item(list, word("map.code"), town.code);
    for (const name of ["population", "elevation"]) this.fact(list, town.entity, name);
    const rows = [...this.rows.values()].filter((row) => row.about === town.id);
    for (const row of rows) {
      for (const reading of row.readings.slice(0, 6)) {
        const { value, unit } = readingText(reading);
        this.item(list, attributeName(reading.attribute), value, unit, reading.simulated, reading.observedAt);
      }
    }
    detail.replaceChildren(title, list);
    if (!rows.length) detail.append(word("map.none"));
  }

  fact(list, entity, name) {
    const value = first(entity, name);
    if (value === null) return;
    const { value: text, unit } = readingText({ attribute: name, value, unitCode: noteOf(entity, name, "unitCode") });
    const year = name === "population" ? String(noteOf(entity, name, "observedAt") ?? "").slice(0, 4) : "";
    this.item(list, attributeName(name) + (year ? ` ${year}` : ""), text, unit);
  }

  item(list, name, value, unit = "", simulated = false, at = null) {
    const group = document.createElement("div");
    const term = document.createElement("dt");
    term.textContent = name;
    const figure = document.createElement("dd");
    const number = document.createElement("b");
    number.textContent = value;
    figure.append(number, unit ? ` ${unit}` : "");
    if (simulated) figure.append(" ", mark("simulated"));
    if (at) figure.title = timeText(at);
    group.append(term, figure);
    list.append(group);
  }
}
