/** From a JSON Schema to the fields of a form. */

import type { Schema } from "../api/feeds";

export interface Field {
  name: string;
  kind: "text" | "number" | "integer" | "switch" | "choice" | "texts" | "any";
  needed: boolean;
  choices: string[];
  standard: unknown;
  help: string;
}

/** The fields of an object's schema, the needed ones first. */
export function fieldsOf(schema: Schema): Field[] {
  const root = resolved(schema, schema);
  const help = helpOf(root.description ?? "");
  const fields = Object.entries(root.properties ?? {}).map(([name, member]) => field(name, member, schema, root.required ?? [], help));
  return [...fields.filter((one) => one.needed), ...fields.filter((one) => !one.needed)];
}

function field(name: string, member: Schema, whole: Schema, required: string[], help: Record<string, string>): Field {
  const options = (member.anyOf ?? [member]).map((one) => resolved(one, whole)).filter((one) => one.type !== "null");
  const one = options.length === 1 ? (options[0] ?? {}) : {};
  const choices = (one.enum ?? []).filter((choice): choice is string => typeof choice === "string" && choice !== "");
  return {
    name, choices, kind: kindOf(one, choices), needed: required.includes(name), standard: member.default,
    help: member.description ?? help[name] ?? "",
  };
}

function kindOf(schema: Schema, choices: string[]): Field["kind"] {
  if (choices.length) return "choice";
  if (schema.type === "string") return "text";
  if (schema.type === "number" || schema.type === "integer") return schema.type;
  if (schema.type === "boolean") return "switch";
  return schema.type === "array" && schema.items?.type === "string" ? "texts" : "any";
}

function resolved(schema: Schema, whole: Schema): Schema {
  const name = schema.$ref?.split("/").at(-1);
  return name ? { ...schema, ...(whole.$defs?.[name] ?? {}) } : schema;
}

/** What a description in the hub's own form ("Attributes:" and a line for each) says of each member. */
export function helpOf(description: string): Record<string, string> {
  const lines = description.split(/\bAttributes:\s*\n/)[1]?.split("\n") ?? [];
  const indent = lines.find((line) => line.trim())?.search(/\S/) ?? 0;
  const help: Record<string, string> = {};
  let names: string[] = [];
  for (const line of lines) {
    const match = line.search(/\S/) === indent ? /^\s*([\w, ]+): (.*)$/.exec(line) : null;
    if (match) {
      names = (match[1] ?? "").split(",").map((name) => name.trim());
      for (const name of names) help[name] = match[2] ?? "";
    } else for (const name of names) help[name] = `${help[name]} ${line.trim()}`.trim();
  }
  return help;
}

/** The first lines of a description, before what it says of the members. */
export function summaryOf(schema: Schema): string {
  return (resolved(schema, schema).description ?? "").split(/\n\s*\n/)[0]?.replace(/\s+/g, " ").trim() ?? "";
}
