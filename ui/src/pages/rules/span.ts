/** Moments of a form: typed in the district's time (which knows no summer time), sent in UTC. */

const OFFSET_MS = 8 * 3_600_000;

/** A moment as an input of type datetime-local has it, in the district's time. */
export function toLocal(moment: Date): string {
  return new Date(moment.getTime() + OFFSET_MS).toISOString().slice(0, 16);
}

/** RFC 3339 UTC of what was typed; "" for nothing. */
export function fromLocal(text: string): string {
  return text ? `${new Date(Date.parse(`${text.slice(0, 16)}:00Z`) - OFFSET_MS).toISOString().slice(0, 19)}Z` : "";
}
