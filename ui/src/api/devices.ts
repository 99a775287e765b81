/** Devices: what they are, how they are, how they prove who they are, and what they are told to do. */

import { ask, path, type Query } from "./client";

export type Health = "ok" | "late" | "silent" | "never";
export const HEALTHS: Health[] = ["ok", "late", "silent", "never"];

/** A device as it stands in a list. */
export interface DeviceHead {
  id: string;
  name?: string;
  description?: string;
  serialNumber?: string;
  category?: string[];
  batteryLevel?: number;
  feed: string;
  interval_s: number;
  owner: string;
  health: Health;
  why: string;
  lastSeen: string;
  firmware: { wanted: string; reported: string; state: string };
  version: number;
  /** Share of its values without a flag, 0 to 1; null: nothing is checked, or its feed does not run. */
  score: number | null;
}

export interface Credential {
  id: string;
  hint: string;
  createdAt: string;
  expiresAt: string;
  by: string;
}

export interface Device extends DeviceHead {
  address: Record<string, unknown>;
  entities: string[];
  configurationState: string;
  credentials: Credential[];
  claimable: boolean;
  claimed: { by?: string; at?: string };
  created: { by?: string; at?: string };
  /** Shown this once, when it was just made. */
  token?: string;
  claimKey?: string;
}

export interface Devices {
  total: number;
  byHealth: Partial<Record<Health, number>>;
  devices: DeviceHead[];
}

export interface Command {
  id: string;
  name: string;
  parameters: unknown;
  state: string;
  detail?: string;
  value?: unknown;
  createdAt?: string;
  at?: string;
  by?: string;
}

export interface Token {
  id: string;
  token: string;
  expiresAt: string;
}

export interface Added {
  created: number;
  failed: { row: number; id: string; reason: string }[];
  secrets: { id: string; token?: string; claimKey?: string }[];
}

const DEVICES = "/api/devices";

export const listDevices = (query: Query, signal?: AbortSignal): Promise<Devices> => ask(DEVICES, { query, signal });
export const readDevice = (id: string, signal?: AbortSignal): Promise<Device> => ask(path`/api/devices/${id}`, { signal });
export const createDevice = (device: Record<string, unknown>): Promise<Device> => ask(DEVICES, { method: "POST", body: device });
export const changeDevice = (id: string, part: Record<string, unknown>): Promise<Device> => ask(path`/api/devices/${id}`, { method: "PATCH", body: part });
export const deleteDevice = (id: string): Promise<void> => ask(path`/api/devices/${id}`, { method: "DELETE" });
export const addDevices = (csv: Blob): Promise<Added> =>
  ask(`${DEVICES}/bulk`, { method: "POST", body: csv, headers: { "Content-Type": "text/csv" } });
export const makeToken = (id: string, rotate: boolean): Promise<Token> => ask(path`/api/devices/${id}/credentials`, { method: "POST", body: { rotate } });
export const revokeToken = (id: string, credential: string): Promise<void> =>
  ask(path`/api/devices/${id}/credentials`, { method: "DELETE", query: { id: credential } });
export const listCommands = async (id: string, signal?: AbortSignal): Promise<Command[]> =>
  (await ask<{ commands: Command[] }>(path`/api/devices/${id}/commands`, { signal })).commands;
export const giveCommand = (id: string, name: string, parameters: unknown): Promise<Command> =>
  ask(path`/api/devices/${id}/commands`, { method: "POST", body: { name, parameters } });
