/** Feeds: what they are, how they stand, and what can be done with them. */

import type { Names } from "../frame/words";
import { ask, path } from "./client";

export interface AttributeMapping {
  value: string;
  kind?: string;
  unit?: string;
  to?: string;
  scale?: number;
  offset?: number;
  table?: [number, number][];
  observed_at?: string;
  dataset?: string;
  datum?: string;
  decimals?: number | null;
}

export interface EntityMapping {
  type: string;
  id: string;
  attributes: Record<string, AttributeMapping>;
  when?: string;
  observed_at?: string;
  time_zone?: string;
  within?: unknown;
}

export interface FeedDefinition {
  id: string;
  protocol: string;
  title?: Names;
  source?: Record<string, unknown>;
  format?: string;
  decoder?: Record<string, unknown>;
  records?: string;
  entities?: EntityMapping[];
  checks?: Record<string, Record<string, unknown>>;
  skew_s?: number;
  interval_s?: number;
  context?: string;
  tenant?: string;
  enabled?: boolean;
  simulated?: boolean;
  owner?: string;
  licence?: string;
  version?: number;
}

export interface FeedStatus {
  state: string;
  /** Why, in words; "" when all is well. */
  detail: string;
  since: string;
  received: number;
  written: number;
  late: number;
  same: number;
  refused: number;
  flagged: number;
  perSecond: number;
  lastAt: string;
  connections: number;
  deadLetters: number;
  /** 0 to 1; null when there is nothing to judge. */
  score: number | null;
  /** Since when it says nothing although it should. */
  silentSince?: string;
}

export interface Feed extends FeedDefinition {
  status: FeedStatus;
  changed?: { by: string; at: string; why: string };
  /** Played by the hub itself from the district's folder; nobody changes it here. */
  readOnly?: boolean;
  district?: { file: string; touched: string; differs: boolean };
}

/** One version of a feed's definition, and who made it. */
export interface FeedVersion extends FeedDefinition {
  changed?: { by: string; at: string; why: string };
  deleted?: boolean;
}

/** JSON Schema as far as forms are made of it. */
export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  anyOf?: Schema[];
  items?: Schema;
  minimum?: number;
  maximum?: number;
  additionalProperties?: boolean | Schema;
  $ref?: string;
  $defs?: Record<string, Schema>;
}

/** A protocol or a format: its name in a feed, what it is, and the schema of its settings. */
export interface Described {
  name: string;
  summary: string;
  schema: Schema;
}

export interface TrialProblem {
  /** Place of the record, from 0; -1 is the message as a whole. */
  record: number;
  stage: string;
  reason: string;
}

export interface Trial {
  records: unknown[];
  entities: Record<string, unknown>[];
  problems: TrialProblem[];
}

export interface Sample {
  sample?: string;
  sampleBase64?: string;
  about?: Record<string, unknown>;
}

const FEEDS = "/api/feeds";

export const listFeeds = async (signal?: AbortSignal): Promise<Feed[]> => (await ask<{ feeds: Feed[] }>(FEEDS, { signal })).feeds;
export const readFeed = (id: string, signal?: AbortSignal): Promise<Feed> => ask(path`/api/feeds/${id}`, { signal });
export const createFeed = (feed: FeedDefinition): Promise<Feed> => ask(FEEDS, { method: "POST", body: feed });
export const replaceFeed = (feed: FeedDefinition): Promise<Feed> => ask(path`/api/feeds/${feed.id}`, { method: "PUT", body: feed });
export const deleteFeed = (id: string): Promise<void> => ask(path`/api/feeds/${id}`, { method: "DELETE" });
export const switchFeed = (id: string, to: "start" | "stop"): Promise<Feed> => ask(path`/api/feeds/${id}/${to}`, { method: "POST" });
export const readVersions = async (id: string): Promise<FeedVersion[]> =>
  (await ask<{ versions: FeedVersion[] }>(path`/api/feeds/${id}/versions`)).versions;
export const listProtocols = async (): Promise<Described[]> => (await ask<{ protocols: Described[] }>(`${FEEDS}/protocols`)).protocols;
export const listFormats = async (): Promise<Described[]> => (await ask<{ formats: Described[] }>(`${FEEDS}/formats`)).formats;
export const tryFeed = (feed: FeedDefinition, sample: Sample, signal?: AbortSignal): Promise<Trial> =>
  ask(`${FEEDS}/trial`, { method: "POST", body: { feed, ...sample }, signal });

/** The word for how a feed stands: one that ought to run and does not has failed, one that says nothing is silent. */
export function standing({ enabled, status }: Feed): string {
  if (status.state === "stopped" && enabled) return "failed";
  return status.silentSince ? "silent" : status.state;
}

/** The definition alone, without what the hub adds to it. */
export function definitionOf(feed: Feed | FeedVersion): FeedDefinition {
  const { status: _status, changed: _changed, readOnly: _readOnly, district: _district, deleted: _deleted, ...definition } = feed as Feed & FeedVersion;
  return definition;
}
