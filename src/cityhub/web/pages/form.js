// Numbers with units, times and ages as people read them.

import { currentLanguage, hasWord, word } from "./words.js";

let timeZone = "Asia/Shanghai";
let clockFormat = makeFormat();

function makeFormat() {
  return new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" });
}

export function setTimeZone(name) {
  if (name && name !== timeZone) {
    timeZone = name;
    clockFormat = makeFormat();
  }
}

let aheadMs = 0;

// Keeps the hub's clock: ages are reckoned by it, not by the clock of this machine.
export function setHubTime(iso) {
  aheadMs = Date.parse(iso) - Date.now();
}

export const hubNow = () => Date.now() + aheadMs;
export const secondsSince = (iso) => (hubNow() - Date.parse(iso)) / 1000;

// The same bound as the hub's: three periods, at least fifteen seconds.
export const isLate = (ageS, periodS) => ageS > Math.max(15, 3 * periodS);

// "2026-11-23 14:05:07" in the district's time zone.
export function timeText(iso) {
  const moment = new Date(iso);
  return Number.isNaN(moment.getTime()) ? "—" : clockFormat.format(moment);
}

const formats = new Map();

export function numberText(value, digits) {
  const key = `${currentLanguage()}/${digits}`;
  if (!formats.has(key)) {
    const options = digits === undefined ? { maximumFractionDigits: 3 } : { minimumFractionDigits: digits, maximumFractionDigits: digits };
    formats.set(key, new Intl.NumberFormat(currentLanguage() === "zh" ? "zh-CN" : "en", options));
  }
  return formats.get(key).format(value);
}

// How an attribute is shown: digits after the point, and a factor with a unit of its own.
const SHOWN = {
  temperature: { digits: 1 }, atmosphericPressure: { digits: 1 }, windSpeed: { digits: 1 }, precipitation: { digits: 1 },
  precipitation3h: { digits: 1 }, precipitation6h: { digits: 1 }, precipitation12h: { digits: 1 },
  precipitation24h: { digits: 1 }, waterLevel: { digits: 2 }, flow: { digits: 1 }, averageVehicleSpeed: { digits: 1 },
  relativeHumidity: { digits: 0, factor: 100, unit: "%" }, fillFraction: { digits: 1, factor: 100, unit: "%" },
  totalActivePower: { digits: 0 }, intensity: { digits: 0 }, warningGap: { digits: 2, signed: true },
};

// {value, unit} as texts; a grade or yes/no is a word without unit.
export function readingText(reading) {
  const { attribute, value } = reading;
  if (typeof value === "boolean") return { value: word(`word.${value}`), unit: "" };
  if (typeof value === "string") return { value: hasWord(`word.${value}`) ? word(`word.${value}`) : value, unit: "" };
  if (Array.isArray(value)) return { value: value.map((item) => numberText(item)).join(" : "), unit: unitText(reading) };
  if (typeof value !== "number") return { value: "—", unit: "" };
  const shown = SHOWN[attribute] ?? {};
  const scaled = value * (shown.factor ?? 1);
  const sign = shown.signed && scaled > 0 ? "+" : "";
  return { value: sign + numberText(scaled, shown.digits), unit: shown.unit ?? unitText(reading) };
}

function unitText(reading) {
  if (hasWord(`unit.${reading.unitText}`)) return word(`unit.${reading.unitText}`);
  if (hasWord(`code.${reading.unitCode}`)) return word(`code.${reading.unitCode}`);
  return reading.unitText ?? reading.unitCode ?? "";
}

export function ageText(seconds) {
  if (seconds < 120) return word("age.seconds", { n: Math.round(seconds) });
  if (seconds < 7200) return word("age.minutes", { n: Math.round(seconds / 60) });
  if (seconds < 172800) return word("age.hours", { n: Math.round(seconds / 3600) });
  return word("age.days", { n: Math.round(seconds / 86400) });
}
