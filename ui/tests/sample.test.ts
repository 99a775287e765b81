import { expect, test } from "vitest";

import { attributeName, placeOf, valuesOf } from "../src/pages/feeds/sample";

test("every single value is found with the expression that gives it", () => {
  const record = { station: "w1", rain: { mm: 2.4 }, 水位: 3, "a b": { c: null }, list: [{ x: 1 }, { x: 2 }], empty: [] };
  expect(valuesOf(record).map(({ path, value }) => [path, value])).toEqual([
    ["station", "w1"], ["rain.mm", 2.4], ["水位", 3], ['get value(record, "a b").c', null], ["list[1].x", 1],
  ]);
});

test("a record that is no object is a value itself", () => {
  expect(valuesOf(7)).toEqual([{ path: "record", name: "value", value: 7 }]);
  expect(valuesOf([7]).map((found) => found.path)).toEqual(["record[1]"]);
});

test("hostile samples are bounded", () => {
  let deep: unknown = 1;
  for (let n = 0; n < 1000; n++) deep = { deep };
  expect(valuesOf(deep)).toEqual([]);
  expect(valuesOf(Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`k${n}`, n]))).length).toBe(200);
});

test("attributes get names that are legal and free", () => {
  expect(attributeName("rain mm", [])).toBe("rain_mm");
  expect(attributeName("2x", ["x"])).toBe("x2");
  expect(attributeName("水位", ["水位", "水位2"])).toBe("水位3");
  expect(attributeName("!!", [])).toBe("value");
});

test.each([
  ["In entity 1 (RainGauge), attribute 'precipitation', 'value' (rain.mm +): FEEL, line 1, column 10", { entity: 0, attribute: "precipitation", member: "value" }],
  ["entity 2 (RainGauge), 'id' (\"urn:\" + station) is null", { entity: 1, member: "id" }],
  ["'entities[0].attributes.level.value' must be an expression", { entity: 0, attribute: "level", member: "value" }],
  ["'entities[3].time_zone' must be a zone", { entity: 3, member: "time_zone" }],
  ["The payload is not JSON", null],
])("a problem is put where it belongs: %s", (reason, place) => expect(placeOf(reason)).toEqual(place));
