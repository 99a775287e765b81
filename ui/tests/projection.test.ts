import { expect, test } from "vitest";

import type { Geometry } from "../src/api/places";
import { geometryOf, namesOf } from "../src/api/places";
import { fit, outline, positionsOf, scaleKm } from "../src/parts/projection";

const square: Geometry = { type: "Polygon", coordinates: [[[108.5, 29.2], [109.0, 29.2], [109.0, 29.8], [108.5, 29.8], [108.5, 29.2]]] };

test("a drawing holds everything, north is up", () => {
  const drawn = fit([square], 400, 10, 2);
  expect(drawn).not.toBeNull();
  if (!drawn) return;
  for (const [x, y] of positionsOf(square).map(drawn.place)) {
    expect(x).toBeGreaterThanOrEqual(9.99);
    expect(x).toBeLessThanOrEqual(390.01);
    expect(y).toBeGreaterThanOrEqual(9.99);
    expect(y).toBeLessThanOrEqual(drawn.height - 9.99);
  }
  expect(drawn.place([108.5, 29.8])[1]).toBeLessThan(drawn.place([108.5, 29.2])[1]);
  expect(outline(square, drawn)).toMatch(/^M.*Z$/);
  expect(scaleKm(drawn, 120) / drawn.kmPerUnit).toBeLessThanOrEqual(120);
});

test("a single point has a drawing too, and nothing has none", () => {
  expect(fit([{ type: "Point", coordinates: [108.7, 29.5] }], 400)?.height).toBeGreaterThan(0);
  expect(fit([], 400)).toBeNull();
});

test("geometry and names are found in any form of an attribute", () => {
  const point = { type: "Point", coordinates: [1, 2] };
  for (const form of [point, { type: "GeoProperty", value: point }, [{ value: point }]]) expect(geometryOf(form)).toEqual(point);
  expect(geometryOf({ value: null })).toBeNull();
  expect(namesOf({ languageMap: { zh: "黔江" } })).toEqual({ zh: "黔江" });
  expect(namesOf({ type: "Property", value: "黔江" })).toEqual({ zh: "黔江" });
});
