/** From longitude and latitude to a drawing, for a piece of land as small as a district. */

import type { Geometry, Position } from "../api/places";

const KM_PER_DEGREE = 111.195;

export interface Projection {
  width: number;
  height: number;
  kmPerUnit: number;
  place(position: Position): Position;
}

/** All positions of a geometry, in their order. */
export function positionsOf(geometry: Geometry): Position[] {
  const levels = { Point: 0, MultiPoint: 1, LineString: 1, Polygon: 2, MultiLineString: 2, MultiPolygon: 3 }[geometry.type];
  let found: unknown[] = [geometry.coordinates];
  for (let level = 0; level < levels; level++) found = found.flat();
  return found as Position[];
}

/** A drawing of this width that holds all the geometries with a margin around them; null when there are none. */
export function fit(geometries: Geometry[], width: number, margin = 12, most = 1): Projection | null {
  const positions = geometries.flatMap(positionsOf);
  if (!positions.length) return null;
  const [lons, lats] = [positions.map((one) => one[0]), positions.map((one) => one[1])];
  const [west, east, south, north] = [Math.min(...lons), Math.max(...lons), Math.min(...lats), Math.max(...lats)];
  const squeeze = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const wide = Math.max((east - west) * squeeze, 0.02);
  const high = Math.max(north - south, 0.02);
  const perDegree = Math.min((width - 2 * margin) / wide, (width * most - 2 * margin) / high);
  const height = high * perDegree + 2 * margin;
  const left = (width - (east - west) * squeeze * perDegree) / 2;
  return {
    width, height, kmPerUnit: KM_PER_DEGREE / perDegree,
    place: ([lon, lat]) => [left + (lon - west) * squeeze * perDegree, margin + (north - lat) * perDegree],
  };
}

/** The outline of lines and areas as an SVG path; "" for points. */
export function outline(geometry: Geometry, projection: Projection): string {
  const text = (position: Position): string => projection.place(position).map((one) => one.toFixed(1)).join(" ");
  const line = (positions: Position[], end: string): string => `M${positions.map(text).join("L")}${end}`;
  if (geometry.type === "LineString") return line(geometry.coordinates, "");
  if (geometry.type === "MultiLineString") return geometry.coordinates.map((one) => line(one, "")).join("");
  if (geometry.type === "Polygon") return geometry.coordinates.map((one) => line(one, "Z")).join("");
  return geometry.type === "MultiPolygon" ? geometry.coordinates.flat().map((one) => line(one, "Z")).join("") : "";
}

/** The longest of some round lengths in km that fits into so many units of the drawing. */
export function scaleKm(projection: Projection, room: number): number {
  return [50, 20, 10, 5, 2, 1, 0.5, 0.2].find((km) => km / projection.kmPerUnit <= room) ?? 0.1;
}
