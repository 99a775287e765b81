/** The district on the map: its boundary and its townships, and the names of its organizations. */

import type { Names } from "../frame/words";
import { ask } from "./client";
import { readStatus } from "./status";

export type Position = [number, number];
export type Geometry =
  | { type: "Point"; coordinates: Position }
  | { type: "MultiPoint" | "LineString"; coordinates: Position[] }
  | { type: "Polygon" | "MultiLineString"; coordinates: Position[][] }
  | { type: "MultiPolygon"; coordinates: Position[][][] };

export interface Place {
  id: string;
  name: Names;
  geometry: Geometry | null;
  /** Approximate area of a township; null for other places. */
  area: Geometry | null;
}

export interface District {
  boundary: Geometry | null;
  townships: Place[];
}

type Entity = Record<string, unknown> & { id: string };

const ENTITIES = "/ngsi-ld/v1/entities";
let context: Promise<string> | undefined;
let district: Promise<District> | undefined;
let organizations: Promise<Map<string, Names>> | undefined;

/** The district's boundary and townships; read once. */
export function readDistrict(): Promise<District> {
  district ??= Promise.all([entitiesOf("District"), entitiesOf("Township")]).then(
    ([districts, townships]) => ({ boundary: geometryOf(districts[0]?.["location"]), townships: townships.map(placeOf) }),
    (error: unknown) => {
      district = undefined;
      throw error;
    },
  );
  return district;
}

/** Names of the organizations by id; read once. */
export function readOrganizations(): Promise<Map<string, Names>> {
  organizations ??= entitiesOf("Organization").then(
    (found) => new Map(found.map((entity) => [entity.id, namesOf(entity["name"])])),
    (error: unknown) => {
      organizations = undefined;
      throw error;
    },
  );
  return organizations;
}

/** The entities of a type, named as the district names them. */
async function entitiesOf(type: string): Promise<Entity[]> {
  context ??= readStatus().then((status) => status.district.context, () => "");
  const link = await context;
  const headers = link ? { Link: `<${link}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"` } : {};
  return ask(ENTITIES, { query: { type, limit: 500, options: "concise" }, headers: headers as Record<string, string> });
}

const placeOf = (entity: Entity): Place => ({
  id: entity.id, name: namesOf(entity["name"]), geometry: geometryOf(entity["location"]), area: geometryOf(entity["catchmentArea"]),
});

/** The names in an attribute, whether it is concise, normalized or plain. */
export function namesOf(attribute: unknown): Names {
  if (typeof attribute === "string") return { zh: attribute };
  const one = first(attribute);
  if (one && typeof one["languageMap"] === "object") return one["languageMap"] as Names;
  if (one && typeof one["value"] === "string") return { zh: one["value"] };
  return {};
}

/** The geometry in an attribute, whether it is concise, normalized or plain; null when there is none. */
export function geometryOf(attribute: unknown): Geometry | null {
  const one = first(attribute);
  if (!one) return null;
  if ("coordinates" in one) return one as unknown as Geometry;
  return geometryOf(one["value"]);
}

function first(attribute: unknown): Record<string, unknown> | null {
  const one: unknown = Array.isArray(attribute) ? attribute[0] : attribute;
  return typeof one === "object" && one !== null ? (one as Record<string, unknown>) : null;
}
