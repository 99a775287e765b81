// NGSI-LD entities, concise or normalized, as the page needs them.

const MEMBERS = new Set(["id", "type", "scope", "@context", "createdAt", "modifiedAt", "expiresAt"]);

// Kinds of the table in its order, each with its main attribute; what is not named follows as other readings.
export const KINDS = {
  WeatherObserved: "temperature",
  RainGauge: "precipitation",
  WaterObserved: "waterLevel",
  AirQualityObserved: "airQualityIndex",
  TrafficFlowObserved: "intensity",
  CrowdFlowObserved: "peopleCount",
  ACMeasurement: "totalActivePower",
  KeyPerformanceIndicator: "kpiValue",
};

const QUIET = new Set(["name", "location", "observes", "note", "warningLevel", "areaServed", "alternateName", "description"]);

// The instances of an attribute as a list; a bare value becomes an instance.
function instances(attribute) {
  if (Array.isArray(attribute) && attribute.every((item) => item !== null && typeof item === "object")) return attribute;
  return [attribute];
}

// The value of an instance in any form; null when there is none.
export function valueOf(instance) {
  if (instance === null || typeof instance !== "object" || Array.isArray(instance)) return instance;
  for (const key of ["value", "languageMap", "object", "vocab", "valueList", "json", "objectList"]) {
    if (key in instance) return instance[key];
  }
  return "coordinates" in instance ? instance : null;
}

const member = (instance, name) => (instance && typeof instance === "object" ? instance[name] : undefined);

export const first = (entity, name) => (name in entity ? valueOf(instances(entity[name])[0]) : null);
export const noteOf = (entity, name, key) => (name in entity ? valueOf(member(instances(entity[name])[0], key)) : null);

export const typesOf = (entity) => (Array.isArray(entity.type) ? entity.type : [entity.type]);

// What an entity says now: its main reading first.
function readingsOf(entity, main) {
  const readings = [];
  for (const attribute of Object.keys(entity)) {
    if (MEMBERS.has(attribute) || QUIET.has(attribute)) continue;
    const instance = instances(entity[attribute])[0];
    const observedAt = member(instance, "observedAt");
    if (observedAt === undefined && attribute !== main) continue;
    readings.push({
      attribute,
      value: valueOf(instance),
      unitCode: member(instance, "unitCode"),
      unitText: valueOf(member(instance, "unitText") ?? null),
      period: valueOf(member(instance, "period") ?? null),
      observedAt,
      simulated: valueOf(member(instance, "simulated") ?? null) === true,
      unverified: valueOf(member(instance, "verified") ?? null) === false,
      note: valueOf(member(instance, "note") ?? null),
      feed: valueOf(member(instance, "provenance") ?? null),
      source: valueOf(member(instance, "source") ?? null),
    });
  }
  return readings.sort((a, b) => (b.attribute === main) - (a.attribute === main));
}

// A row of the table, or null for an entity that shows no reading.
export function rowOf(entity) {
  const kind = typesOf(entity).find((type) => type in KINDS);
  if (!kind) return null;
  const readings = readingsOf(entity, KINDS[kind]);
  if (!readings.length) return null;
  return {
    id: entity.id,
    kind,
    names: first(entity, "name") ?? entity.id,
    about: first(entity, "observes"),
    point: first(entity, "location")?.type === "Point" ? first(entity, "location").coordinates : null,
    readings,
    source: first(entity, "source"),
  };
}
