/** Processes (BPMN) with their decisions (DMN): versions, findings, migration. */

import { ask, path } from "./client";
import type { Changed } from "./rules";

export interface Process {
  id: string;
  title: string;
  bpmn: string;
  decisions: Record<string, string>;
  version?: number;
  enabled?: boolean;
  changed?: Changed;
}

/** A process as it stands in the list. */
export interface ProcessHead extends Omit<Process, "bpmn" | "decisions"> {
  decisions: string[];
}

export interface Finding {
  grave: boolean;
  /** Id of the element; "" the whole. */
  element: string;
  text: string;
  /** "process" or the name of a decision's file. */
  file: string;
}

/** Which cases were taken over, and which were not and why. */
export type Migrated = Record<string, unknown>;

const PROCESSES = "/api/processes";

export const listProcesses = async (signal?: AbortSignal): Promise<ProcessHead[]> => (await ask<{ processes: ProcessHead[] }>(PROCESSES, { signal })).processes;
export const readProcess = (id: string, signal?: AbortSignal): Promise<Process> => ask(path`/api/processes/${id}`, { signal });
export const createProcess = (process: Process): Promise<Process> => ask(PROCESSES, { method: "POST", body: process });
export const replaceProcess = (process: Process): Promise<Process> => ask(path`/api/processes/${process.id}`, { method: "PUT", body: process });
export const readProcessVersions = async (id: string): Promise<Process[]> => (await ask<{ versions: Process[] }>(path`/api/processes/${id}/versions`)).versions;
export const checkProcess = async (process: Process, signal?: AbortSignal): Promise<Finding[]> =>
  (await ask<{ findings: Finding[] }>(`${PROCESSES}/check`, { method: "POST", body: process, signal })).findings;
export const migrateCases = (id: string, cases: string[] | "all", from: number): Promise<Migrated> =>
  ask(path`/api/processes/${id}/migrate`, { method: "POST", body: { cases, from } });
