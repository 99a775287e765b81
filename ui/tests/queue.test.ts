import { beforeAll, expect, test } from "vitest";

import type { CaseHead } from "../src/api/cases";
import { loadWords } from "../src/frame/words";
import { queueOf } from "../src/pages/duty/queue";
import { alert } from "./alert_fixture";

beforeAll(() => loadWords("zh"));

const one: CaseHead = { id: "urn:ngsi-ld:Case:1", number: "2026-000001", kind: "flood", title: "文汇内涝", grade: "red", state: "open", openedAt: "2026-11-23T06:06:00Z", departments: [] };

test("an alert that has opened a case stands there as the case, and is acknowledged there", () => {
  const rows = queueOf([alert], [{ ...one, alert: alert.id }], null);
  expect(rows.map((row) => [row.kind, row.unacknowledged])).toEqual([["case", alert.id]]);
});

test("an alert without a case stands for itself; one that is over does not", () => {
  const over = { ...alert, id: "urn:ngsi-ld:Alert:2", state: "closed" as const };
  const taken = { ...alert, id: "urn:ngsi-ld:Alert:3", state: "acknowledged" as const };
  expect(queueOf([alert, over, taken], [one], null).map((row) => [row.id, row.unacknowledged])).toEqual([[one.id, ""], [alert.id, alert.id], [taken.id, ""]]);
});

test("mine are the cases with a task of mine, and whatever nobody has acknowledged", () => {
  const other = { ...one, id: "urn:ngsi-ld:Case:2" };
  const unseen = { ...one, id: "urn:ngsi-ld:Case:3", alert: alert.id };
  const rows = queueOf([alert, { ...alert, id: "urn:ngsi-ld:Alert:3", state: "acknowledged" }], [one, other, unseen], new Set([one.id]));
  expect(rows.map((row) => row.id)).toEqual([one.id, unseen.id]);
});
