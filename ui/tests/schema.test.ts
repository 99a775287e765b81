import { expect, test } from "vitest";

import { fieldsOf, helpOf } from "../src/parts/schema";

const DESCRIPTION = `How a broker is reached.

Attributes:
    url: Address of the broker,
        with its port.
    qos, keep_s: Said together.
`;

test("the hub's own way to describe members is read", () => {
  expect(helpOf(DESCRIPTION)).toEqual({ url: "Address of the broker, with its port.", qos: "Said together.", keep_s: "Said together." });
  expect(helpOf("Nothing of members.")).toEqual({});
});

test("fields follow the schema, the needed ones first", () => {
  const schema = {
    $ref: "#/$defs/Settings",
    $defs: {
      Settings: {
        type: "object", description: DESCRIPTION, required: ["url"],
        properties: {
          qos: { enum: [0, 1, 2], type: "integer", default: 1 },
          kind: { enum: ["a", "b"], default: "a" },
          url: { type: "string" },
          keep_s: { anyOf: [{ type: "number" }, { type: "null" }], default: null },
          clean: { type: "boolean", default: true },
          topics: { type: "array", items: { type: "string" } },
          access: { anyOf: [{ $ref: "#/$defs/Access" }, { type: "null" }] },
        },
      },
      Access: { type: "object", properties: {} },
    },
  };
  expect(fieldsOf(schema).map((field) => [field.name, field.kind, field.needed])).toEqual([
    ["url", "text", true], ["qos", "integer", false], ["kind", "choice", false], ["keep_s", "number", false], ["clean", "switch", false],
    ["topics", "texts", false], ["access", "any", false],
  ]);
  expect(fieldsOf(schema)[0]?.help).toBe("Address of the broker, with its port.");
});
