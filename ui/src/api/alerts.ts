/** Alerts: what rules have found, and what people have said of it. */

import type { Names } from "../frame/words";
import { ask, path, type Query } from "./client";
import type { Geometry } from "./places";

export type Grade = "red" | "orange" | "yellow" | "blue";
/** The four national warning grades, the gravest first. */
export const GRADES: Grade[] = ["red", "orange", "yellow", "blue"];

/** What an alert rests on. */
export interface Reason {
  rule: string;
  version: number;
  title?: Names;
  condition: string;
  inputs: Record<string, unknown>;
  text?: Names | string;
  source?: string;
  [more: string]: unknown;
}

/** One step of an alert: raised, changed, cleared, acknowledged, ... */
export interface AlertStep {
  at: string;
  kind: string;
  severity?: Grade;
  by?: string;
  note?: string;
  inputs?: Record<string, unknown>;
  condition?: string;
}

export interface Alert {
  id: string;
  rule: string;
  title: Names;
  subject: string;
  subjectName?: Names | string;
  severity: Grade;
  state: "open" | "acknowledged" | "closed" | "false" | "suppressed";
  reason?: Reason;
  raisedAt: string;
  clearedAt?: string;
  acknowledged?: { by: string; at: string };
  case?: string;
  location?: Geometry | null;
  suppressedBy?: string;
  simulated?: boolean;
  steps?: AlertStep[];
  notices?: { id: string; person?: string; channel?: string; state: string; at?: string }[];
  warning?: string;
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
