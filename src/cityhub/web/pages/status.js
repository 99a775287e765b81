// The status page: figures, map, feeds, readers and the table of live readings.

import { chooseTheme, remember, remembered } from "./choices.js";
import { KINDS, rowOf, typesOf } from "./entities.js";
import { isLate, numberText, secondsSince, setHubTime, setTimeZone, timeText } from "./form.js";
import { fetchJson, Live } from "./live.js";
import { DistrictMap } from "./map.js";
import { flash, ReadingTable } from "./table.js";
import { currentLanguage, hasWord, inLanguage, loadWords, setLanguage, translatePage, word } from "./words.js";

const STATUS_EVERY_MS = 3000;
const RETRY_AFTER_S = 5;
const TYPES = Object.keys(KINDS);

const $ = (id) => document.getElementById(id);
const feeds = new Map();
const live = new Live(TYPES);
const table = new ReadingTable(
  { body: $("rows"), kind: $("kind"), search: $("search"), before: $("before"), after: $("after"), range: $("range") },
  (id) => feeds.get(id),
);
const map = new DistrictMap({ map: $("map"), layer: $("layer"), legend: $("legend"), state: $("map-state"), detail: $("detail"), note: $("map-note"), said: $("said") });

let status = null;
let started = false;
let placesLoaded = false;

// -- Choices that stay with the person ----------------------------------------------------------------------------------

function chooseLanguage(language) {
  setLanguage(language);
  translatePage();
  $("language").textContent = word("language");
  $("language").lang = currentLanguage() === "zh" ? "en" : "zh-CN";
  table.translate();
  map.translate();
  showStatus();
  showLink();
}

// -- The status document ------------------------------------------------------------------------------------------------

function figure(id, text) {
  const node = $(id);
  if (node.textContent === text) return;
  const first = node.textContent === "—";
  node.textContent = text;
  if (!first) flash(node);
}

function cell(line, text, className = "") {
  const made = line.insertCell();
  made.textContent = text;
  made.className = className;
  return made;
}

// Writes rows into a table body without touching lines that are there already.
function fillBody(body, rows, empty, columns) {
  if (!rows.length) {
    const line = document.createElement("tr");
    cell(line, empty, "quiet").colSpan = columns;
    body.replaceChildren(line);
    return;
  }
  const key = JSON.stringify(rows.map((row) => row.length));
  if (body.dataset.key !== key || body.rows.length !== rows.length || body.querySelector(".quiet[colspan]")) {
    body.dataset.key = key;
    body.replaceChildren(...rows.map((row) => {
      const line = document.createElement("tr");
      for (const { className } of row) cell(line, "", className);
      return line;
    }));
  }
  rows.forEach((row, place) => row.forEach(({ text, className }, column) => {
    const target = body.rows[place].cells[column];
    if (target.textContent !== text) target.textContent = text;
    if (target.className !== (className ?? "")) target.className = className ?? "";
  }));
}

function showStatus() {
  if (!status) return;
  const { district } = status;
  setTimeZone(district.timeZone);
  $("district").textContent = inLanguage(district.shortName, "");
  document.title = word("title", { district: inLanguage(district.shortName, "") });
  map.boundaryNote = district.boundaryNote;
  figure("f-entities", numberText(status.entities.count));
  figure("f-rate", numberText(status.changes.perSecond, 1));
  figure("f-minute", numberText(status.changes.lastMinute));
  figure("f-journal", numberText(status.journal.position));
  const lags = status.journal.readers.map((reader) => reader.lag);
  figure("f-lag", lags.length ? numberText(Math.max(...lags)) : "—");
  $("f-time").textContent = timeText(status.at);
  $("f-time").dateTime = status.at;
  $("streams").textContent = numberText(status.streams);
  $("build").textContent = word("build", { version: status.version, store: status.store, started: timeText(status.startedAt) });
  showFeeds();
  const readers = status.journal.readers.map((reader) => [
    { text: readerName(reader.name) }, { text: numberText(reader.position), className: "number" }, { text: numberText(reader.lag), className: "number" },
  ]);
  fillBody($("readers"), readers, word("readers.empty"), 3);
}

function readerName(name) {
  const key = `reader.${name}`;
  return hasWord(key) ? word(key) : name;
}

// A feed as it is now: its age goes on while the hub is away.
function present(feed) {
  if (feed.age_s === null || feed.state === "recorded") return { ...feed, age_s: null };
  const age = feed.age_s + Math.max(0, secondsSince(status.at));
  return { ...feed, age_s: age, state: isLate(age, feed.period_s) ? "late" : "live" };
}

function showFeeds() {
  const order = { silent: 0, late: 1, live: 2, recorded: 3 };
  const sorted = status.feeds.map(present).sort((a, b) => order[a.state] - order[b.state] || a.id.localeCompare(b.id));
  const playing = sorted.filter((feed) => feed.state !== "recorded");
  figure("f-feeds", playing.length ? `${playing.filter((feed) => feed.state === "live").length} / ${playing.length}` : "0");
  fillBody($("feeds"), sorted.map((feed) => [
    { text: inLanguage(feed.name, feed.id) },
    { text: numberText(feed.entities), className: "number" },
    { text: feed.period_s === null ? "—" : numberText(feed.period_s), className: "number period" },
    { text: feed.age_s === null ? "—" : numberText(Math.round(feed.age_s)), className: "number" },
    { text: word(`feeds.${feed.state}`), className: `word ${feed.state}` },
  ]), word("feeds.empty"), 5);
}

async function readStatus() {
  status = await fetchJson("/api/status");
  setHubTime(status.at);
  feeds.clear();
  for (const feed of status.feeds) feeds.set(feed.id, feed);
  showStatus();
}

// -- The entities ---------------------------------------------------------------------------------------------------------

async function readPlaces() {
  const places = await live.read(["District", "Township"]);
  const district = places.find((entity) => typesOf(entity).includes("District"));
  const towns = places.filter((entity) => typesOf(entity).includes("Township"));
  if (district) map.setPlaces(district, towns);
  else $("map-state").textContent = word("map.empty");
  placesLoaded = Boolean(district) && towns.length > 0;
}

function allRows() {
  return [...live.entities.values()].map(rowOf).filter(Boolean);
}

async function start() {
  await readStatus();
  await live.start(status);
  await readPlaces();
  started = true;
  say("");
}

// -- The link -------------------------------------------------------------------------------------------------------------

function showLink() {
  const since = live.offlineSince;
  const state = since ? "offline" : started ? "live" : "loading";
  $("link").dataset.state = state;
  document.body.dataset.link = state;
  $("link-text").textContent = word(`link.${state}`, { since: since ? timeText(since.toISOString()).slice(11) : "" });
  if (since) say(word("notice.offline", { since: timeText(since.toISOString()) }));
  else if (started) say("");
}

function say(text) {
  $("notice").hidden = !text;
  if ($("notice").textContent !== text) $("notice").textContent = text;
}

let busy = false;

// Once in three seconds: the status document; and all anew when that is needed.
async function beat() {
  if (busy) return;
  busy = true;
  try {
    if (!started) await start();
    else {
      await readStatus();
      if (!placesLoaded) await readPlaces();
      if (live.offlineSince && live.stream?.readyState === EventSource.CLOSED) await live.start(status);
    }
    showLink();
  } catch (error) {
    if (!started && !live.offlineSince) say(word("notice.error", { reason: error.message, seconds: RETRY_AFTER_S }));
    else live.mark(new Date());
  } finally {
    busy = false;
  }
}

live.addEventListener("all", () => {
  const rows = allRows();
  table.setAll(rows);
  map.setRows(rows);
});
live.addEventListener("change", ({ detail }) => {
  const row = detail.entity && detail.kind !== "left" ? rowOf(detail.entity) : null;
  if (row) {
    table.put(row);
    map.put(row);
  } else table.remove(detail.id);
});
live.addEventListener("link", showLink);
live.addEventListener("stale", () => {
  started = false;
  beat();
});

$("language").addEventListener("click", () => {
  const next = currentLanguage() === "zh" ? "en" : "zh";
  remember("language", next);
  chooseLanguage(next);
});
$("theme").addEventListener("change", () => {
  remember("theme", $("theme").value);
  chooseTheme($("theme").value);
});

chooseTheme(remembered("theme") ?? "auto");
await loadWords();
chooseLanguage(new URLSearchParams(location.search).get("lang") ?? remembered("language") ?? "zh");
await beat();
setInterval(beat, STATUS_EVERY_MS);
setInterval(() => {
  table.tick();
  if (status && live.offlineSince) showFeeds();
}, 5000);
