/** Warnings: drafts, releases and what lies in their areas; and maintenance windows, which keep alerts quiet. */

import type { Names } from "../frame/words";
import type { Grade } from "./alerts";
import { ask, path, type Query } from "./client";
import type { Geometry } from "./places";

export interface WarningContent {
  event: string;
  grade: Grade;
  issuer: string;
  where: { entities?: string[]; geometry?: Partial<Geometry>; names?: Names; bufferM?: number };
  headline: Names;
  description?: Names;
  instruction?: Names;
  scope?: "Public" | "Restricted" | "Private";
  restriction?: string;
  status?: string;
  onset?: string;
  expires?: string;
  bulletin?: { issuer: string; number: string; issuedAt: string; web?: string };
  note?: string;
}

/** What of a kind lies in the area; null: nobody knows. */
export interface Counted {
  id: string;
  names: Names;
  count: number | null;
  listed: { id: string; names: Names }[];
  note?: Names;
}

export interface Impact {
  geometry?: Geometry;
  area_km2?: number;
  townships?: { id: string; names: Names; share?: number; population?: number | null }[];
  population?: { value: number | null };
  kinds?: Counted[];
}

export interface Warning {
  id: string;
  state: "draft" | "released" | "updated" | "cancelled" | "expired" | "rejected";
  kind: string;
  content: WarningContent;
  authors: string[];
  steps: { at: string; by: string; what: string; why?: string }[];
  alert: string;
  follows: string;
  followedBy: string;
  identifier: string;
  sent: string;
  version: number;
  population: number | null;
  townships: number;
  cap: string;
  places?: { names: Names; approximate?: string }[];
  impact?: Impact;
}

export interface Authority {
  releaser: string;
  bodies: { id: string; names: Names }[];
  events: { id: string; names: Names; public: string[]; agencies: string[]; rule: string; reason: Names; source: string; passed_on: string[] | null }[];
}

export interface Maintenance {
  id: string;
  title: string;
  from: string;
  to: string;
  rules?: string[];
  entities?: string[];
  scope?: string;
  reason?: string;
  by?: string;
}

const MAINTENANCE = "/api/maintenance";

export const listWarnings = (query: Query, signal?: AbortSignal): Promise<{ warnings: Warning[]; count: number }> => ask("/api/warnings", { query, signal });
export const readWarning = (id: string, signal?: AbortSignal): Promise<Warning> => ask(path`/api/warnings/${id}`, { signal });
export const readAuthority = (signal?: AbortSignal): Promise<Authority> => ask("/api/warnings/authority", { signal });
export const changeWarning = (id: string, content: WarningContent, why: string): Promise<Warning> =>
  ask(path`/api/warnings/${id}`, { method: "PUT", body: { ...content, why } });
export const releaseWarning = (id: string, why: string): Promise<Warning> => ask(path`/api/warnings/${id}/release`, { method: "POST", body: { why } });
export const updateWarning = (id: string, content: WarningContent, why: string): Promise<Warning> =>
  ask(path`/api/warnings/${id}/update`, { method: "POST", body: { ...content, why } });
export const cancelWarning = (id: string, why: string): Promise<Warning> => ask(path`/api/warnings/${id}/cancel`, { method: "POST", body: { why } });
export const rejectWarning = (id: string, why: string): Promise<Warning> => ask(path`/api/warnings/${id}/reject`, { method: "POST", body: { why } });

export const listMaintenance = async (signal?: AbortSignal): Promise<Maintenance[]> =>
  (await ask<{ maintenance: Maintenance[] }>(MAINTENANCE, { signal })).maintenance;
export const planMaintenance = (planned: Maintenance): Promise<Maintenance> => ask(MAINTENANCE, { method: "POST", body: planned });
export const deleteMaintenance = (id: string): Promise<void> => ask(path`/api/maintenance/${id}`, { method: "DELETE" });
