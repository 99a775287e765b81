/** Something a person does that takes a moment: while it runs its button waits, and what went wrong is kept to be shown. */

import { ref, shallowRef, type Ref, type ShallowRef } from "vue";

import { Problem } from "../api/client";

export interface Deed {
  busy: Ref<boolean>;
  problem: ShallowRef<Problem | null>;
  /** Runs it; resolves to whether it went well. A second one meanwhile does not start. */
  run(work: () => Promise<void>): Promise<boolean>;
}

export function useDeed(): Deed {
  const busy = ref(false);
  const problem = shallowRef<Problem | null>(null);

  async function run(work: () => Promise<void>): Promise<boolean> {
    if (busy.value) return false;
    busy.value = true;
    problem.value = null;
    try {
      await work();
      return true;
    } catch (error) {
      problem.value = error instanceof Problem ? error : new Problem(400, String(error instanceof Error ? error.message : error), "");
      return false;
    } finally {
      busy.value = false;
    }
  }

  return { busy, problem, run };
}
