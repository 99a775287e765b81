/** Lists that do not jump: rows keep their places while the pointer is among them. */

import { computed, ref, watch, type ComputedRef, type Ref } from "vue";

export interface Steady<T> {
  /** The rows in the order to show. */
  rows: ComputedRef<T[]>;
  /** Set it from pointerenter and pointerleave of the list. */
  held: Ref<boolean>;
}

/** Values are always the newest; which rows there are and their order change only while nobody points at the list. */
export function useSteady<T>(newest: () => T[], key: (row: T) => string): Steady<T> {
  const held = ref(false);
  const order = ref<string[]>([]);
  watch(
    [newest, held] as const,
    ([rows, isHeld]) => {
      if (!isHeld || !order.value.length) order.value = rows.map(key);
    },
    { immediate: true },
  );
  const rows = computed(() => {
    const byKey = new Map(newest().map((row) => [key(row), row]));
    return order.value.flatMap((id) => byKey.get(id) ?? []);
  });
  return { rows, held };
}
