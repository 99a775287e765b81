/** CityHub's own extensions of BPMN: forms, properties, decisions and lists to go through, for the modeller's reader and writer. */

export const HUB = {
  name: "CityHub",
  uri: "https://cityhub.dev/bpmn/1",
  prefix: "hub",
  xml: { tagAlias: "lowerCase" },
  types: [
    { name: "Form", superClass: ["Element"], properties: [{ name: "fields", isMany: true, type: "Field" }] },
    {
      name: "Field", superClass: ["Element"],
      properties: [
        { name: "name", isAttr: true, type: "String" }, { name: "title", isAttr: true, type: "String" }, { name: "type", isAttr: true, type: "String" },
        { name: "required", isAttr: true, type: "Boolean" }, { name: "values", isMany: true, type: "Value" },
      ],
    },
    { name: "Value", superClass: ["Element"], properties: [{ name: "value", isAttr: true, type: "String" }, { name: "title", isAttr: true, type: "String" }] },
    { name: "Properties", superClass: ["Element"], properties: [{ name: "values", isMany: true, type: "Property" }] },
    { name: "Property", superClass: ["Element"], properties: [{ name: "name", isAttr: true, type: "String" }, { name: "value", isAttr: true, type: "String" }] },
    {
      name: "Decision", superClass: ["Element"],
      properties: [{ name: "ref", isAttr: true, type: "String" }, { name: "file", isAttr: true, type: "String" }, { name: "result", isAttr: true, type: "String" }],
    },
    {
      name: "Loop", superClass: ["Element"],
      properties: [
        { name: "items", isAttr: true, type: "String" }, { name: "item", isAttr: true, type: "String" }, { name: "results", isAttr: true, type: "String" },
        { name: "result", isAttr: true, type: "String" },
      ],
    },
  ],
};
