import { expect, test } from "vitest";

import { fieldsFromText, fieldsToText, newBpmn, newDmn } from "../src/pages/processes/fields";
import { namesIn, sampleOf } from "../src/pages/notices/template";
import { isUnread, pathOf } from "../src/pages/notices/reading";

const field = { name: "outcome", title: "结果", type: "enum", required: true, values: [{ value: "pass", title: "核查通过" }, { value: "return", title: "return" }] };

test("a form's fields go to lines and back", () => {
  const text = fieldsToText([field, { name: "note", title: "说明", type: "string", required: false, values: [] }]);
  expect(text).toBe("outcome | 结果 | enum | * | pass=核查通过, return\nnote | 说明 | string");
  expect(fieldsFromText(`${text}\n\n | nothing`)).toEqual([field, { name: "note", title: "说明", type: "string", required: false, values: [] }]);
});

test("what a new process and a new decision begin with is XML", () => {
  for (const xml of [newBpmn("p1", "流程"), newDmn("d1")]) {
    const document = new DOMParser().parseFromString(xml, "application/xml");
    expect(document.getElementsByTagName("parsererror").length).toBe(0);
    expect(xml).toMatch(/id="[pd]1"/);
  }
});

test("what a template fills in is found, its words and texts are not", () => {
  const template = { id: "alert", title: { zh: "预警" }, subject: { zh: '{if grade = "red" then "红色" else event}' }, text: { zh: "{{不是}} {title}，{issued}", en: "{title}" } };
  expect(namesIn(template)).toEqual(["grade", "event", "title", "issued"]);
  expect(Object.keys(sampleOf(template))).toEqual(["grade", "event", "title", "issued"]);
});

test("a notice leads into the centre only", () => {
  expect(pathOf("/centre/cases/1")).toBe("/cases/1");
  expect(pathOf("https://hub.example/centre/alerts/a")).toBe("/alerts/a");
  expect(pathOf("/alerts/a")).toBe("/alerts/a");
  for (const link of ["javascript:alert(1)", "//evil.example/x", "", undefined]) expect(pathOf(link)).toBe("");
});

test("a notice is unread on the screen until it is read", () => {
  expect(isUnread({ channel: "screen", state: "sent" })).toBe(true);
  expect(isUnread({ channel: "screen", state: "read", readAt: "2026-11-23T00:00:00Z" })).toBe(false);
  expect(isUnread({ channel: "email", state: "sent" })).toBe(false);
});
