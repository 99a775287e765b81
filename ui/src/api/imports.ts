/** Files on their way in: uploads, what is in them, plans and runs. */

import { ask, path, Problem } from "./client";
import type { EntityMapping } from "./feeds";

export interface Reading {
  table?: string;
  encoding?: string;
  delimiter?: string;
  header?: number | null;
  crs?: string;
}

export const COLUMN_TYPES = ["text", "number", "integer", "boolean", "time", "geometry", "object"] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

export interface Column {
  type?: ColumnType;
  form?: string;
  decimal?: string;
}

export interface ColumnProfile extends Required<Column> {
  name: string;
  head: string;
  unit: string;
  role: string;
  empty: number;
  distinct: number;
  least: string | null;
  most: string | null;
  samples: string[];
}

export interface Plan {
  entities: EntityMapping[];
  target?: "entities" | "observations";
  reading?: Reading;
  columns?: Record<string, Column>;
  duplicates?: "keep" | "first" | "last" | "refuse";
  context?: string;
}

export interface Refused {
  row: number;
  column: string;
  reason: string;
  content: string;
}

export interface Preview {
  kind: string;
  tables: string[];
  reading: Reading;
  rows: number;
  firstRow: number;
  unreadable: number;
  crs: string;
  problems: Refused[];
  columns: ColumnProfile[];
  first: (string | null)[][];
  judgedBy: number;
  plan: Plan;
}

export interface Upload {
  id: string;
  name: string;
  size: number;
  received: number;
  created: string;
  partBytes: number;
  state: "uploading" | "reading" | "failed" | "ready";
  reason?: string;
  preview?: Preview;
}

export interface Import {
  id: string;
  file: string;
  name: string;
  state: "waiting" | "running" | "done" | "failed" | "cancelled";
  reason: string;
  dryRun: boolean;
  target: string;
  created: string;
  by: string;
  started: string;
  ended: string;
  total: number;
  rows: number;
  made: number;
  written: number;
  late: number;
  same: number;
  refused: number;
  perSecond: number;
  remainingSeconds: number | null;
  historyWaits: number;
  problems: Refused[];
  sample: Record<string, unknown>[];
}

const IMPORTS = "/api/imports";
const FILES = `${IMPORTS}/files`;

export const listImports = async (signal?: AbortSignal): Promise<Import[]> => (await ask<{ imports: Import[] }>(IMPORTS, { signal })).imports;
export const listFiles = async (signal?: AbortSignal): Promise<Upload[]> => (await ask<{ files: Upload[] }>(FILES, { signal })).files;
export const readImport = (id: string, signal?: AbortSignal): Promise<Import> => ask(path`/api/imports/${id}`, { signal });
export const cancelImport = (id: string): Promise<Import> => ask(path`/api/imports/${id}/cancel`, { method: "POST" });
export const resumeImport = (id: string): Promise<Import> => ask(path`/api/imports/${id}/resume`, { method: "POST" });
export const refusedAddress = (id: string): string => path`/api/imports/${id}/refused`;
export const dropFile = (id: string): Promise<void> => ask(path`/api/imports/files/${id}`, { method: "DELETE" });
export const readFile = (id: string, reading: Reading, signal?: AbortSignal): Promise<Upload> =>
  ask(path`/api/imports/files/${id}`, { query: { ...reading, header: reading.header ?? undefined, wait: 10 }, signal });
export const beginImport = (file: string, plan: Plan, dryRows?: number): Promise<Import> =>
  ask(IMPORTS, { method: "POST", body: { file, plan, ...(dryRows ? { dryRun: true, rows: dryRows } : {}) } });

/** How an upload stands: bytes that the hub has, and bytes per second. */
export interface Sent {
  received: number;
  perSecond: number;
}

/** So often a part is tried again while the hub is away. */
const TRIES = 8;

/**
 * Sends a file in parts and returns its id. One that was cut off before goes on where it was: the hub knows it by name and size.
 *
 * Throws a Problem, or what `signal` was ended with.
 */
export async function sendFile(file: File, told: (sent: Sent) => void, signal: AbortSignal): Promise<string> {
  const begun = (await listFiles(signal)).find((one) => one.name === file.name && one.size === file.size && one.state === "uploading");
  const upload = begun ?? (await ask<Upload>(FILES, { method: "POST", query: { name: file.name, size: file.size }, signal }));
  const [began, from] = [performance.now(), upload.received];
  for (let received = from; received < file.size; ) {
    const end = Math.min(file.size, received + upload.partBytes);
    received = await sendPart(upload.id, file, received, end, signal);
    told({ received, perSecond: ((received - from) / Math.max(1, performance.now() - began)) * 1000 });
  }
  return upload.id;
}

async function sendPart(id: string, file: File, begin: number, end: number, signal: AbortSignal): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      const headers = { "Content-Type": "application/octet-stream", "Content-Range": `bytes ${begin}-${end - 1}/${file.size}` };
      const answer = await ask<Upload>(path`/api/imports/files/${id}/content`, { method: "PUT", body: file.slice(begin, end), headers, signal });
      return answer.received;
    } catch (error) {
      if (!(error instanceof Problem && error.silent) || tries >= TRIES) throw error;
      await new Promise((resume) => setTimeout(resume, 500 * 2 ** Math.min(tries, 5)));
    }
  }
}
