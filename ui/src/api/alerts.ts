/** Alerts: what rules have found, and what people have said of it. */

import type { Names } from "../frame/words";
import { ask, path, type Query } from "./client";
import type { Geometry } from "./places";

export type Grade = "red" | "orange" | "yellow" | "blue";
/** The four national warning grades, the gravest first. */
export const GRADES: Grade[] = ["red", "orange", "yellow", "blue"];

/** A value that a condition saw. */
export interface AlertInput {
  name: string;
  value: unknown;
  unit?: string;
  at?: string;
}

/** What an alert rests on. */
export interface Reason {
  rule: string;
  version: number;
  title?: Names;
  condition: string;
  thresholds?: { name: string; operator: string; value: unknown }[];
  inputs: AlertInput[];
  note?: Names;
  source?: string;
}

/** One step of an alert: raised, changed or cleared. */
export interface AlertStep {
  at: string;
  kind: string;
  severity?: Grade;
  inputs?: AlertInput[];
  condition?: string;
}

/** What somebody did with an alert, or what the hub could not do. */
export interface AlertDeed {
  what: string;
  by: string;
  at: string;
  note?: string;
}

/** All moments are RFC 3339 UTC; "" for what has not happened. */
export interface Alert {
  id: string;
  rule: string;
  version: number;
  grade: Grade;
  state: "open" | "acknowledged" | "suppressed" | "closed";
  /** Of a closed one: somebody found it right, or false; or its condition ended before anybody looked. */
  outcome: "" | "true" | "false" | "ended";
  /** Id of the entity, or "<attribute>=<value>" of a group. */
  subject: string;
  /** What people call it; "" where nobody knows. */
  subjectName?: string;
  entities: string[];
  title: Names;
  /** Its reason in one sentence. */
  description: Names;
  category: string;
  event: Names;
  /** By the observations' own time. */
  issued: string;
  since: string;
  cleared: string;
  acknowledgedAt: string;
  acknowledgedBy: string;
  closedAt: string;
  suppressedBy: { kind: string; id: string; title?: Names | string } | null;
  reason?: Reason;
  steps?: AlertStep[];
  location?: Geometry | null;
  deeds?: AlertDeed[];
  case?: string;
  warning?: string;
  notices?: { key: string; seen: boolean }[];
}

export interface Alerts {
  alerts: Alert[];
  count: number;
}

const ALERTS = "/api/alerts";

export const listAlerts = (query: Query, signal?: AbortSignal): Promise<Alerts> => ask(ALERTS, { query, signal });
export const readAlert = (id: string, signal?: AbortSignal): Promise<Alert> => ask(path`/api/alerts/${id}`, { signal });
export const acknowledgeAlert = (id: string, note = ""): Promise<void> => ask(path`/api/alerts/${id}/acknowledge`, { method: "POST", body: { note } });
export const markAlertFalse = (id: string, note: string): Promise<void> => ask(path`/api/alerts/${id}/false`, { method: "POST", body: { note } });
export const closeAlert = (id: string, note: string): Promise<void> => ask(path`/api/alerts/${id}/close`, { method: "POST", body: { note } });
export const commentAlert = (id: string, note: string): Promise<void> => ask(path`/api/alerts/${id}/comment`, { method: "POST", body: { note } });
