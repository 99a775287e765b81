/** The parts of a condition with their values, whether the hub gives them as a list or by text. */

export interface Part {
  text: string;
  value: unknown;
}

export function partsOf(parts: unknown): Part[] {
  if (Array.isArray(parts)) return parts.map(partOf);
  if (typeof parts === "object" && parts !== null) return Object.entries(parts).map(([text, value]) => ({ text, value }));
  return [];
}

function partOf(part: unknown): Part {
  if (Array.isArray(part)) return { text: String(part[0]), value: part[1] };
  const named = part as Record<string, unknown>;
  return { text: String(named["text"] ?? named["part"] ?? named["condition"] ?? named["expression"] ?? ""), value: named["value"] };
}
