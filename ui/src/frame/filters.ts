/** Filters that stand in the address, so that a list can be sent to somebody as it is seen. */

import { computed, type ComputedRef } from "vue";
import { useRoute, useRouter } from "vue-router";

export interface Filters<K extends string> {
  /** The value of each filter; "" when nothing is chosen. */
  values: ComputedRef<Record<K, string>>;
  /** From which row on. */
  offset: ComputedRef<number>;
  /** Whether anything is chosen. */
  any: ComputedRef<boolean>;
  put(part: Partial<Record<K | "offset", string | number>>): void;
}

/** The filters of these names. What is put anew begins at the first row again. */
export function useFilters<K extends string>(...names: K[]): Filters<K> {
  const route = useRoute();
  const router = useRouter();
  const values = computed(() => Object.fromEntries(names.map((name) => [name, String(route.query[name] ?? "")])) as Record<K, string>);
  const offset = computed(() => Math.max(0, Number(route.query["offset"] ?? 0) || 0));
  const any = computed(() => names.some((name) => values.value[name] !== ""));

  function put(part: Partial<Record<K | "offset", string | number>>): void {
    const wanted: [string, unknown][] = Object.entries({ ...route.query, offset: 0, ...part });
    const query = wanted.filter(([, value]) => value).map(([name, value]) => [name, String(value)] as const);
    void router.replace({ query: Object.fromEntries(query) });
  }

  return { values, offset, any, put };
}
