/** Data that stay fresh while a page is open: read again and again, kept when the hub is away. */

import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from "vue";

import { Problem } from "../api/client";

export interface Live<T> {
  /** The newest answer; undefined until the first one came. */
  data: ShallowRef<T | undefined>;
  /** Why the last reading failed; null when it did not. */
  problem: Ref<Problem | null>;
  /** Reads at once, for instance after a change. */
  refresh(): Promise<void>;
}

/** At most so many milliseconds pass between tries while the hub is away. */
const LONGEST_PAUSE_MS = 5000;

/**
 * Reads now and then every so many milliseconds until the scope ends; rests while the page is hidden.
 * An answer that comes after a newer reading began is dropped.
 */
export function useLive<T>(read: (signal: AbortSignal) => Promise<T>, everyMs = 2000): Live<T> {
  const data = shallowRef<T>();
  const problem = ref<Problem | null>(null);
  let timer = 0;
  let failures = 0;
  let running: AbortController | null = null;
  let ended = false;

  async function refresh(): Promise<void> {
    clearTimeout(timer);
    running?.abort();
    const mine = (running = new AbortController());
    try {
      const answer = await read(mine.signal);
      if (mine.signal.aborted) return;
      data.value = answer;
      problem.value = null;
      failures = 0;
    } catch (error) {
      if (mine.signal.aborted) return;
      problem.value = error instanceof Problem ? error : new Problem(0, "", String(error));
      failures += 1;
    }
    if (!ended) timer = window.setTimeout(next, Math.min(everyMs * 2 ** failures, Math.max(everyMs, LONGEST_PAUSE_MS)));
  }

  function next(): void {
    if (!document.hidden) void refresh();
  }

  document.addEventListener("visibilitychange", next);
  onScopeDispose(() => {
    ended = true;
    clearTimeout(timer);
    running?.abort();
    document.removeEventListener("visibilitychange", next);
  });
  void refresh();
  return { data, problem, refresh };
}
