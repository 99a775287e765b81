/** The one door to the hub: JSON in, JSON out, and what went wrong as a `Problem` that a page can show. */

import { connection } from "../frame/connection";
import { acting } from "../frame/acting";

/** What the hub says when it refuses (RFC 9457), or why nothing came back. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly trace: string = "",
  ) {
    super(detail || title);
  }

  /** Whether the hub did not answer at all. */
  get silent(): boolean {
    return this.status === 0;
  }
}

export type Query = Record<string, string | number | boolean | undefined>;

export interface Asking {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  query?: Query;
  /** Sent as JSON, unless it is a Blob or a text, which go as they are. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** Asks the hub. Resolves to the JSON of its answer (undefined when it has none). Throws a Problem. */
export async function ask<T>(path: string, asking: Asking = {}): Promise<T> {
  const response = await send(path + queryText(asking.query), asking);
  if (!response.ok) throw await problemOf(response);
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

/** A path with its parameters, each percent-encoded. */
export function path(parts: TemplateStringsArray, ...values: string[]): string {
  return parts.reduce((made, part, place) => made + encodeURIComponent(values[place - 1] ?? "") + part);
}

async function send(address: string, asking: Asking): Promise<Response> {
  const { method = "GET", body, headers = {}, signal } = asking;
  const raw = body instanceof Blob || typeof body === "string";
  const type: Record<string, string> = body === undefined || raw ? {} : { "Content-Type": "application/json" };
  try {
    const response = await fetch(address, {
      method,
      headers: { Accept: "application/json", ...(acting.person ? { "CityHub-Person": acting.person } : {}), ...type, ...headers },
      cache: "no-store",
      ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
    connection.heard();
    return response;
  } catch (error) {
    if (signal?.aborted) throw error;
    connection.silent();
    throw new Problem(0, "", "");
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const told = (await response.json().catch(() => ({}))) as Partial<Record<"title" | "detail" | "trace", string>>;
  return new Problem(response.status, told.title ?? response.statusText, told.detail ?? "", told.trace ?? "");
}

function queryText(query: Query | undefined): string {
  const given = Object.entries(query ?? {}).filter((pair) => pair[1] !== undefined && pair[1] !== "");
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}
