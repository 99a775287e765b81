import { expect, test } from "vitest";

import { daysOf, monthBeside, monthSpan } from "../src/pages/duty/calendar";

const shift = { from: "2026-11-23T12:30:00Z", to: "2026-11-24T00:30:00Z", people: ["p1"] };

test("a month is that of the district's time", () => {
  expect(monthSpan("2026-11")).toEqual({ from: "2026-10-31T16:00:00Z", to: "2026-11-30T16:00:00Z" });
  expect(monthBeside("2026-01", -1)).toBe("2025-12");
});

test("whole weeks from Monday on hold the month", () => {
  const days = daysOf("2026-11", [], [], String);
  expect(days.length % 7).toBe(0);
  expect(days[0]?.date).toBe("2026-10-26");
  expect(days.filter((day) => day.inMonth).length).toBe(30);
});

test("a shift over midnight stands on both days with its hours of each", () => {
  const days = daysOf("2026-11", [shift], [], (id) => id.toUpperCase());
  const on = (date: string) => days.find((day) => day.date === date)?.shifts;
  expect(on("2026-11-23")).toEqual([{ text: "20:30–24:00", people: ["P1"] }]);
  expect(on("2026-11-24")).toEqual([{ text: "00:00–08:30", people: ["P1"] }]);
  expect(on("2026-11-25")).toEqual([]);
});

test("a gap marks each day that it touches", () => {
  const days = daysOf("2026-11", [], [{ from: "2026-11-10T00:30:00Z", to: "2026-11-11T16:00:00Z" }], String);
  expect(days.filter((day) => day.gaps.length).map((day) => [day.date, day.gaps])).toEqual([["2026-11-10", ["08:30–24:00"]], ["2026-11-11", ["00:00–24:00"]]]);
});
