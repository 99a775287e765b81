/** Cases and their tasks: what is being done, by whom, until when. */

import type { Names } from "../frame/words";
import type { Grade } from "./alerts";
import { ask, path, type Query } from "./client";
import type { Geometry } from "./places";

/** One field of a task's form. */
export interface FormField {
  name: string;
  title?: Names | string;
  type?: string;
  required?: boolean;
  values?: (string | { value: string; title?: Names | string })[];
}

export interface Task {
  id: string;
  element: string;
  name: string;
  lane?: string;
  form?: FormField[];
  properties?: Record<string, string>;
  item?: unknown;
  case?: string;
  caseTitle?: Names | string;
  caseKind?: string;
  grade?: Grade;
  department?: string;
  person?: string;
  since?: string;
  dueAt?: string;
  due?: string;
  overdue?: boolean;
  outcomes?: { value: string; title?: Names | string }[];
}

export interface CaseStep {
  at: string;
  kind: string;
  by?: string;
  name?: string;
  element?: string;
  note?: string;
  department?: string;
  detail?: Record<string, unknown>;
}

export interface CaseRecord {
  id: string;
  number?: string;
  kind: string;
  title: Names | string;
  grade: Grade;
  state: string;
  step?: string;
  department?: string;
  person?: string;
  reason?: Names | string;
  description?: string;
  openedAt: string;
  closedAt?: string;
  dueAt?: string;
  remainingS?: number | null;
  overdue?: boolean;
  alert?: string;
  process?: { id: string; version: number };
  location?: Geometry | null;
  place?: Names | string;
  tasks?: Task[];
  steps?: CaseStep[];
  people?: { person: string; role: string }[];
  documents?: { name: string; size?: number; at?: string; by?: string }[];
  clocks?: { name: Names | string; dueAt: string; rule?: string; remainingS?: number; overdue?: boolean; calendar?: string }[];
  duplicates?: number;
  simulated?: boolean;
  operations?: string[];
}

export interface Cases {
  cases: CaseRecord[];
  count: number;
}

export interface CaseKind {
  id: string;
  title: Names;
  process?: string;
  department?: string;
}

export interface Indicator {
  key: string;
  title?: Names | string;
  [figure: string]: unknown;
}

export interface Indicators {
  rows: Indicator[];
  formulas?: Record<string, Names | string>;
}

const CASES = "/api/cases";

export const listCases = (query: Query, signal?: AbortSignal): Promise<Cases> => ask(CASES, { query, signal });
export const readCase = (id: string, signal?: AbortSignal): Promise<CaseRecord> => ask(path`/api/cases/${id}`, { signal });
export const openCase = (made: Record<string, unknown>): Promise<CaseRecord> => ask(CASES, { method: "POST", body: made });
export const listKinds = async (signal?: AbortSignal): Promise<CaseKind[]> => (await ask<{ kinds: CaseKind[] }>("/api/cases/kinds", { signal })).kinds;
export const listTasks = async (query: Query, signal?: AbortSignal): Promise<{ tasks: Task[]; count: number }> => ask("/api/tasks", { query, signal });
export const completeTask = (id: string, task: string, done: Record<string, unknown>): Promise<CaseRecord> =>
  ask(path`/api/cases/${id}/tasks/${task}`, { method: "POST", body: done });
export const operateCase = (id: string, operation: string, told: Record<string, unknown>): Promise<CaseRecord> =>
  ask(path`/api/cases/${id}/${operation}`, { method: "POST", body: told });
export const readDuplicates = async (id: string): Promise<CaseRecord[]> =>
  (await ask<{ duplicates: CaseRecord[] }>(path`/api/cases/${id}/duplicates`)).duplicates;
export const readIndicators = (query: Query, signal?: AbortSignal): Promise<Indicators> => ask("/api/indicators/cases", { query, signal });
