/** The hub's own state. */

import type { InjectionKey } from "vue";

import type { Live } from "../frame/live";
import type { Names } from "../frame/words";
import { ask } from "./client";

export interface PlayedFeed {
  id: string;
  name: Names;
  simulated: boolean;
  entities: number;
  lastAt: string | null;
  age_s: number | null;
  period_s: number | null;
  state: "live" | "late" | "silent" | "recorded";
}

export interface HubStatus {
  at: string;
  version: string;
  store: string;
  district: { code: string; name: Names; shortName: Names; context: string };
  entities: { count: number };
  changes: { perSecond: number; lastMinute: number };
  journal: { position: number; readers: { name: string; position: number; lag: number }[] };
  feeds: PlayedFeed[];
}

/** The status that the frame keeps fresh for every page. */
export const HUB_STATUS: InjectionKey<Live<HubStatus>> = Symbol("hub status");

export const readStatus = (signal?: AbortSignal): Promise<HubStatus> => ask("/api/status", { signal });
