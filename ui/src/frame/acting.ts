/** For which person the local user acts; until people sign in, it is chosen and goes with every question to the hub. */

import { reactive, watch } from "vue";

const KEY = "cityhub.person";

export const acting = reactive({ person: remembered() });

watch(
  () => acting.person,
  (person) => {
    try {
      localStorage.setItem(KEY, person);
    } catch {
      // A browser without storage forgets.
    }
  },
  { flush: "sync" },
);

function remembered(): string {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}
