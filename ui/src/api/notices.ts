/** Messages that people were given, and the templates of their texts. */

import type { Names } from "../frame/words";
import { ask, path, type Query } from "./client";

export interface Notice {
  id: string;
  key: string;
  why: string;
  person: string;
  name: string;
  channel: string;
  template: string;
  language: string;
  subject: string;
  text: string;
  link?: string;
  urgent: boolean;
  state: string;
  createdAt: string;
  dueAt?: string;
  sentAt?: string;
  readAt?: string;
  attempts?: number;
  detail?: string;
  to?: string;
}

export interface Notices {
  notices: Notice[];
  count: number;
}

/** How far a message may have come. */
export const NOTICE_STATES = ["queued", "sending", "sent", "delivered", "read", "failed", "dead", "doubtful", "gathered"] as const;

export interface Template {
  id: string;
  title: Names;
  subject: Names;
  text: Names;
  short?: Names;
  version?: number;
}

export interface Wording {
  subject: string;
  text: string;
  short: string;
  problems?: string[];
}

export const listNotices = (query: Query, signal?: AbortSignal): Promise<Notices> => ask("/api/notices", { query, signal });
/** What the caller has not read yet. */
export const listUnread = (query: Query, signal?: AbortSignal): Promise<Notices> => ask("/api/notices/mine", { query, signal });
export const readNotice = (id: string): Promise<Notice> => ask(path`/api/notices/${id}/read`, { method: "POST", body: {} });
export const replayNotice = (id: string): Promise<Notice> => ask(path`/api/notices/${id}/replay`, { method: "POST", body: {} });
export const listTemplates = async (signal?: AbortSignal): Promise<Template[]> =>
  (await ask<{ templates: Template[] }>("/api/notices/templates", { signal })).templates;
export const replaceTemplate = (template: Template): Promise<Template> => ask(path`/api/notices/templates/${template.id}`, { method: "PUT", body: template });
export const tryTemplate = (template: Template, values: Record<string, unknown>, signal?: AbortSignal): Promise<{ zh: Wording; en: Wording }> =>
  ask("/api/notices/trial", { method: "POST", body: { template, values }, signal });
