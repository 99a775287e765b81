/** From the form of a new case to what the hub is asked to open. */

import type { Geometry, Place } from "../../api/places";

export interface NewCaseForm {
  kind: string;
  title: string;
  description: string;
  grade: string;
  township: string;
  address: string;
  lon: string;
  lat: string;
}

export interface NewCase {
  kind: string;
  title: string;
  description?: string;
  grade?: string;
  place?: { location?: Geometry; township?: string; address?: string };
}

/** Only what was said; the place is the point that was given, else the seat of the township. */
export function newCase(form: NewCaseForm, townships: Place[]): NewCase {
  const location = pointOf(form.lon, form.lat) ?? townships.find((town) => town.id === form.township)?.geometry ?? null;
  const place = { ...(location ? { location } : {}), ...(form.township ? { township: form.township } : {}), ...(form.address.trim() ? { address: form.address.trim() } : {}) };
  return {
    kind: form.kind, title: form.title.trim(), ...(form.description.trim() ? { description: form.description.trim() } : {}),
    ...(form.grade ? { grade: form.grade } : {}), ...(Object.keys(place).length ? { place } : {}),
  };
}

function pointOf(lon: string, lat: string): Geometry | null {
  const [x, y] = [Number(lon), Number(lat)];
  const isGiven = lon.trim() !== "" && lat.trim() !== "" && Math.abs(x) <= 180 && Math.abs(y) <= 90;
  return isGiven ? { type: "Point", coordinates: [x, y] } : null;
}
