/** What a sample holds: the paths to its values, as expressions, and where a problem of a trial belongs. */

export interface Found {
  /** The expression that gives the value. */
  path: string;
  /** The last name in it. */
  name: string;
  value: unknown;
}

const NAME = /^[\p{L}_][\p{L}\p{N}_]*$/u;
const DEEPEST = 6;
const MOST = 200;

/** Every single value of a record with the expression that gives it; of a list the first item is looked at. */
export function valuesOf(record: unknown): Found[] {
  const found: Found[] = [];
  walk(record, "", "", found, 0);
  return found;
}

function walk(value: unknown, path: string, name: string, found: Found[], depth: number): void {
  if (found.length >= MOST) return;
  if (Array.isArray(value)) {
    if (value.length && depth < DEEPEST) walk(value[0], `${path || "record"}[1]`, name, found, depth + 1);
  } else if (typeof value === "object" && value !== null) {
    if (depth < DEEPEST) for (const [key, one] of Object.entries(value)) walk(one, stepTo(path, key), key, found, depth + 1);
  } else {
    found.push({ path: path || "record", name: name || "value", value });
  }
}

function stepTo(path: string, key: string): string {
  if (NAME.test(key)) return path ? `${path}.${key}` : key;
  return `get value(${path || "record"}, ${JSON.stringify(key)})`;
}

/** A name for an attribute: letters, digits and "_", unlike those that are there. */
export function attributeName(wanted: string, taken: string[]): string {
  const plain = wanted.replace(/[^\p{L}\p{N}_]+/gu, "_").replace(/^[^\p{L}]+/u, "") || "value";
  let name = plain;
  for (let number = 2; taken.includes(name); number++) name = `${plain}${number}`;
  return name;
}

/** Where a problem belongs: entity (from 0), its attribute or member. */
export interface Place {
  entity: number;
  attribute?: string;
  member?: string;
}

/** The place that the hub's words name; null when they name none. */
export function placeOf(reason: string): Place | null {
  const inDefinition = /entities\[(\d+)\](?:\.attributes\.([\w\p{L}]+))?(?:\.(\w+))?/u.exec(reason);
  if (inDefinition) return place(Number(inDefinition[1]), inDefinition[2], inDefinition[3]);
  const inMapping = /entity (\d+)(?: \([^)]*\))?/.exec(reason);
  if (!inMapping) return null;
  const attribute = /attribute '([^']+)'/.exec(reason)?.[1] ?? /'attributes\.([^'.]+)/.exec(reason)?.[1];
  const member = /'(id|when|observed_at|value|unit|to|dataset|type|within)'/.exec(reason)?.[1];
  return place(Number(inMapping[1]) - 1, attribute, member);
}

function place(entity: number, attribute: string | undefined, member: string | undefined): Place {
  return { entity, ...(attribute ? { attribute } : {}), ...(member ? { member } : {}) };
}
