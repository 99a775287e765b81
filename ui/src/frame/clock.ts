/** The present time, ticking once a second for everything that shows an age. */

import { readonly, ref, type Ref } from "vue";

const tick = ref(Date.now());
setInterval(() => (tick.value = Date.now()), 1000);

/** Milliseconds since 1970, renewed each second. */
export const now: Readonly<Ref<number>> = readonly(tick);
