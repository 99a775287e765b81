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
  openedAt: string;
  lane?: string;
  department?: string;
  assignee?: string;
  outcomes?: string[];
  form?: FormField[];
  properties?: Record<string, string>;
  data?: Record<string, unknown>;
  dueAt?: string;
}

/** A task in the list of all cases' tasks. */
export interface ListedTask extends Omit<Task, "data"> {
  case: CaseHead;
}

/** One line of a case's story. */
export interface Entry {
  at: string;
  by: string;
  what: string;
  element?: string;
  outcome?: string;
  note?: string;
  files?: string[];
  department?: string;
  data?: Record<string, unknown>;
}

/** A limit that runs or ran. */
export interface Clock {
  id: string;
  limit: string;
  startedAt: string;
  dueAt: string;
  /** When the levels of escalation hear of it, in their order. */
  marks?: string[];
  rule?: string;
  endedAt?: string;
  paused?: boolean;
  assumed?: number[];
  decides?: boolean;
  /** Whether `dueAt` is the earliest moment, not the last. */
  least?: boolean;
  cancelled?: boolean;
  title?: Names | string;
  /** Where the rule of law stands. */
  article?: string;
}

export interface CaseFile {
  name: string;
  hash: string;
  type: string;
  size: number;
  at: string;
  by: string;
}

/** A case as it stands in a list. */
export interface CaseHead {
  id: string;
  number: string;
  kind: string;
  title: string;
  grade: Grade;
  state: string;
  step?: string;
  stepNames?: string[];
  departments?: string[];
  openedAt: string;
  closedAt?: string;
  dueAt?: string;
  overdue?: boolean;
  supervised?: unknown;
  place?: { location?: Geometry | null; township?: string; address?: string };
  /** Id of the alert that it was opened for; "" none. In lists. */
  alert?: string;
}

export interface CaseRecord extends CaseHead {
  description?: string;
  source?: { kind: string; ref?: string; system?: string; reporter?: Record<string, string> };
  process: string;
  processVersion?: number;
  tasks?: Task[];
  timeline?: Entry[];
  clocks?: Clock[];
  files?: CaseFile[];
  mergedInto?: string;
  mergedFrom?: string[];
  splitInto?: string[];
  ratings?: { score: number; at: string; note?: string }[];
  variables?: Record<string, unknown>;
  onTime?: boolean | null;
  kindTitle?: Names;
}

export interface Cases {
  cases: CaseHead[];
  count: number;
}

export interface CaseKind {
  id: string;
  title: Names;
  group?: string;
  process?: string;
  departments?: string[];
  grade?: Grade;
}

/** A limit as the district's list has it. */
export interface Limit {
  id: string;
  title: Names;
  counting?: "clock" | "working";
  extendable?: boolean;
}

export interface Kinds {
  kinds: CaseKind[];
  limits: Limit[];
}

/** The figures of one department or kind; a share is null when no case was closed. */
export interface IndicatorRow {
  department?: string;
  kind?: string;
  closed: number;
  onTimeRate: number | null;
  firstTimeFix: number | null;
  reopenRate: number | null;
  medianHours: Record<string, number>;
}

export interface Indicators {
  indicators: IndicatorRow[];
  definitions: { id: string; title: Names; formula: Names; unit: string; source: string }[];
}

const CASES = "/api/cases";

export const listCases = (query: Query, signal?: AbortSignal): Promise<Cases> => ask(CASES, { query, signal });
export const readCase = (id: string, signal?: AbortSignal): Promise<CaseRecord> => ask(path`/api/cases/${id}`, { signal });
export const openCase = (made: Record<string, unknown>): Promise<CaseRecord> => ask(CASES, { method: "POST", body: made });
export const readKinds = (signal?: AbortSignal): Promise<Kinds> => ask("/api/cases/kinds", { signal });
export const listTasks = (query: Query, signal?: AbortSignal): Promise<{ tasks: ListedTask[]; count: number }> => ask("/api/tasks", { query, signal });
export const completeTask = (id: string, task: string, done: Record<string, unknown>): Promise<CaseRecord> =>
  ask(path`/api/cases/${id}/tasks/${task}`, { method: "POST", body: done });
export const operateCase = (id: string, operation: string, told: Record<string, unknown>): Promise<CaseRecord> =>
  ask(path`/api/cases/${id}/${operation}`, { method: "POST", body: told });
export const readDuplicates = async (id: string): Promise<CaseHead[]> =>
  (await ask<{ duplicates: CaseHead[] }>(path`/api/cases/${id}/duplicates`)).duplicates;
export const readIndicators = (query: Query, signal?: AbortSignal): Promise<Indicators> => ask("/api/indicators/cases", { query, signal });
export const attachFile = (id: string, file: File): Promise<CaseFile> =>
  ask(path`/api/cases/${id}/attachments`, { method: "POST", query: { name: file.name }, body: file, headers: { "Content-Type": file.type || "application/octet-stream" } });
export const attachmentAddress = (id: string, name: string): string => path`/api/cases/${id}/attachments/${name}`;
