/** Dead letters: what came and could not be taken. */

import { ask, path, type Query } from "./client";

export type Stage = "decode" | "map" | "check" | "take";
export const STAGES: Stage[] = ["decode", "map", "check", "take"];

export interface Letter {
  id: string;
  feed: string;
  stage: Stage;
  reason: string;
  format: string;
  about: Record<string, unknown>;
  receivedAt: string;
  /** Of the feed's definition that refused it. */
  version: number;
  size: number;
  attempts: number;
  triedAt?: string;
  fixed?: { by: string; at: string };
  /** Whether all of its body was kept. */
  whole: boolean;
  body?: string;
  bodyBase64?: string;
}

export interface Letters {
  total: number;
  byFeed: Record<string, number>;
  letters: Letter[];
}

export interface Replayed {
  taken: number;
  failed: Record<string, string>;
  left: number;
  why: string;
}

/** Either some letters by their ids, or all of a feed (and of a stage). */
export type Chosen = { ids: string[] } | { feed: string; stage?: string };

const LETTERS = "/api/dead-letters";

export const listLetters = (query: Query, signal?: AbortSignal): Promise<Letters> => ask(LETTERS, { query, signal });
export const readLetter = (id: string, signal?: AbortSignal): Promise<Letter> => ask(path`/api/dead-letters/${id}`, { signal });
export const fixLetter = (id: string, body: string): Promise<Letter> => ask(path`/api/dead-letters/${id}`, { method: "PUT", body: { body } });
export const replayLetters = (chosen: Chosen): Promise<Replayed> => ask(`${LETTERS}/replay`, { method: "POST", body: chosen });
export const deleteLetters = (chosen: Chosen): Promise<{ deleted: number }> => ask(`${LETTERS}/delete`, { method: "POST", body: chosen });
