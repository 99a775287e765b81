/** A feed's definition as people write it: YAML and back, its members without those that say nothing. */

import { parse, stringify } from "yaml";

import type { EntityMapping, FeedDefinition } from "../../api/feeds";
import { withoutEmpty } from "../../parts/texts";

/** A definition that begins. */
export function newDefinition(): FeedDefinition {
  return { id: "", title: { zh: "", en: "" }, protocol: "", source: {}, format: "json", entities: [newEntity()], enabled: true };
}

/** A mapping that begins. */
export function newEntity(): EntityMapping {
  return { type: "", id: "", attributes: {} };
}

/** The definition without empty texts, lists and objects, which say nothing. */
export function spare(definition: FeedDefinition): FeedDefinition {
  const { version: _version, ...said } = definition;
  return { ...(withoutEmpty(said) as FeedDefinition), id: definition.id, protocol: definition.protocol };
}

/** The definition as YAML, Chinese as it is. */
export function toYaml(definition: FeedDefinition): string {
  return stringify(spare(definition), { lineWidth: 120 });
}

/** A definition from YAML or JSON. Throws an Error that says which line is wrong, or that it is no object. */
export function fromYaml(text: string): FeedDefinition {
  const value: unknown = parse(text, { maxAliasCount: 0 });
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("{}");
  return { ...newDefinition(), entities: [], ...(value as Partial<FeedDefinition>) };
}
