/** Duty: posts, rosters, handovers and daily reports. */

import type { Names } from "../frame/words";
import { ask, path, type Query } from "./client";

export interface Post {
  id: string;
  title: Names;
  department?: string;
  simulated?: boolean;
}

export interface PostNow {
  post: string;
  title: Names;
  department?: string;
  people: string[];
  /** By the id of each of them. */
  names?: Record<string, string>;
  /** When the shift ends; "" when nobody is there. */
  until: string;
}

export interface DutyNow {
  at: string;
  posts: PostNow[];
}

export interface Shift {
  from: string;
  to: string;
  people: string[];
}

export interface Gap {
  from: string;
  to: string;
}

export interface Roster {
  post: string;
  from: string;
  to: string;
  shifts: Shift[];
  names: Record<string, string>;
  gaps: Gap[];
}

export interface Handover {
  id: string;
  content: {
    post: string;
    at: string;
    from: string[];
    to: string[];
    told: string;
    alerts: { id: string; grade: string; title: Names; state: string }[];
    cases: { id: string; number: string; grade: string; step: string; dueAt: string; overdue: boolean }[];
  };
  /** Of the content: who signs says what they have read. */
  hash: string;
  state: "begun" | "signed";
  signatures: { person: string; at: string }[];
  /** Whether what was signed is still what stands there. */
  whole: boolean;
}

type Text = Names | string;

export interface DailyReport {
  date: string;
  title: Text;
  office: Text;
  note?: Text;
  made_at: string;
  sections: { title: Text; text?: Text; columns?: Text[]; rows?: Text[][] }[];
}

export const readDutyNow = (signal?: AbortSignal): Promise<DutyNow> => ask("/api/duty/now", { signal });
export const listPosts = async (signal?: AbortSignal): Promise<Post[]> => (await ask<{ posts: Post[] }>("/api/duty/posts", { signal })).posts;
export const readRoster = (post: string, query: Query, signal?: AbortSignal): Promise<Roster> => ask(path`/api/duty/rosters/${post}`, { query, signal });
export const planRoster = (post: string, query: Query, shifts: Shift[]): Promise<Roster> =>
  ask(path`/api/duty/rosters/${post}`, { method: "PUT", query, body: { shifts } });
export const listHandovers = async (signal?: AbortSignal): Promise<Handover[]> =>
  (await ask<{ handovers: Handover[] }>("/api/duty/handovers", { signal })).handovers;
export const handOver = (post: string, told: string): Promise<Handover> => ask("/api/duty/handovers", { method: "POST", body: { post, told } });
export const signHandover = (id: string, hash: string): Promise<Handover> => ask(path`/api/duty/handovers/${id}/sign`, { method: "POST", body: { hash } });
export const readReport = (date: string, signal?: AbortSignal): Promise<DailyReport> => ask("/api/duty/reports", { query: { date }, signal });
export const reportAddress = (date: string, kind: "docx" | "pdf"): string => `/api/duty/reports/${encodeURIComponent(date)}.${kind}`;
