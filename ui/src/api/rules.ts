/** Rules: what they are, how they stand, and how they are tried. */

import type { Names } from "../frame/words";
import type { Grade } from "./alerts";
import { ask, path, type Query } from "./client";

export const FUNCTIONS = [
  "sum", "average", "minimum", "maximum", "count", "first", "last", "median", "stddev", "increase", "rate", "age", "anomaly", "forecast",
] as const;
export const WINDOWS = ["sliding", "tumbling", "session"] as const;

export interface Watch {
  type: string;
  ids?: string[];
  q?: string;
  scope?: string;
  geo?: Record<string, unknown>;
}

export interface Figure {
  function: (typeof FUNCTIONS)[number];
  of?: string;
  window?: (typeof WINDOWS)[number];
  over?: string;
  near?: { watch: Watch; radius_m?: number; link?: string };
  ahead?: string;
}

export interface Level {
  severity: Grade;
  condition: string;
  hold?: string;
  clear?: string;
  clear_hold?: string;
}

export interface Hearer {
  post?: string;
  department?: string;
  role?: string;
  from_severity?: Grade;
  template?: string;
}

export interface RuleDefinition {
  id: string;
  title: Names;
  owner: string;
  watch: Watch;
  levels: Level[];
  figures?: Record<string, Figure>;
  group_by?: string;
  note?: Names;
  source?: string;
  category?: string;
  event?: Names;
  lateness?: string;
  parent?: string;
  parent_link?: string;
  opens?: { process: string; kind: string; from_severity?: Grade; departments?: string[] } | null;
  tells?: Hearer[];
  warning?: Record<string, unknown>;
  context?: string;
  tenant?: string;
  enabled?: boolean;
  version?: number;
}

export interface RuleStatus {
  state: "running" | "failing" | "refused" | "stopped" | "waiting";
  detail: string;
  failingSince?: string;
  evaluated: number;
  failed: number;
  subjects: number;
  open: number;
  lastAt: string;
  lagS: number;
}

export interface Changed {
  by: string;
  at: string;
  why: string;
}

export interface Rule extends RuleDefinition {
  status: RuleStatus;
  precision?: { closed: number; false: number; value: number | null };
  changed?: Changed;
  readOnly?: boolean;
  district?: { file: string; touched: string; differs: boolean };
}

export interface RuleVersion extends RuleDefinition {
  changed?: Changed;
  deleted?: boolean;
}

/** A signal as the port has it, by place or by name. */
export type RawSignal = unknown[] | Record<string, unknown>;

export interface Signal {
  subject: string;
  alert: string;
  kind: string;
  severity: Grade;
  at: string;
  inputs: Record<string, unknown>;
  condition: string;
}

export interface RuleTrial {
  signals: RawSignal[];
  raised: number;
  observations: number;
  problems: string[];
  tookS: number;
}

export interface Trace {
  /** "watched", or why it is not. */
  watched: string;
  values: Record<string, unknown>;
  levels: { severity: Grade; text: string; condition: boolean | null; inForce: boolean; holdsSince: string; holdsUntil: string; clear: string; parts: { text: string; value: unknown }[] }[];
  alert: string;
  problems: string[];
}

const RULES = "/api/rules";

export const listRules = async (signal?: AbortSignal): Promise<Rule[]> =>
  (await ask<{ rules: Rule[] }>(RULES, { query: { limit: 1000 }, signal })).rules;
export const readRule = (id: string, signal?: AbortSignal): Promise<Rule> => ask(path`/api/rules/${id}`, { signal });
export const createRule = (rule: RuleDefinition): Promise<Rule> => ask(RULES, { method: "POST", body: rule });
export const replaceRule = (rule: RuleDefinition): Promise<Rule> => ask(path`/api/rules/${rule.id}`, { method: "PUT", body: rule });
export const deleteRule = (id: string): Promise<void> => ask(path`/api/rules/${id}`, { method: "DELETE" });
export const switchRule = (id: string, to: "start" | "stop"): Promise<Rule> => ask(path`/api/rules/${id}/${to}`, { method: "POST" });
export const readRuleVersions = async (id: string): Promise<RuleVersion[]> =>
  (await ask<{ versions: RuleVersion[] }>(path`/api/rules/${id}/versions`)).versions;
export const checkRule = async (rule: RuleDefinition, signal?: AbortSignal): Promise<string[]> =>
  (await ask<{ problems: string[] }>(`${RULES}/check`, { method: "POST", body: { rule }, signal })).problems;
export const tryRule = (rule: RuleDefinition, from: string, to: string, signal?: AbortSignal): Promise<RuleTrial> =>
  ask(`${RULES}/trial`, { method: "POST", body: { rule, from, to }, signal });
export const traceRule = (id: string, query: Query): Promise<Trace> => ask(path`/api/rules/${id}/trace`, { query });

const PLACES = ["rule", "version", "tenant", "subject", "entities", "alert", "step", "kind", "severity", "at", "position", "inputs", "condition", "location"];

/** A signal by name, whether the hub gave it as a list or as an object. */
export function signalOf(raw: RawSignal): Signal {
  const named = Array.isArray(raw) ? Object.fromEntries(PLACES.map((name, place) => [name, raw[place]])) : raw;
  return named as unknown as Signal;
}

/** The definition alone, without what the hub adds to it. */
export function ruleDefinitionOf(rule: Rule | RuleVersion): RuleDefinition {
  const { status: _s, precision: _p, changed: _c, readOnly: _r, district: _d, deleted: _x, ...definition } = rule as Rule & RuleVersion;
  return definition;
}
