/** Whether the hub answers, and since when it does not. */

import { reactive } from "vue";

export interface Connection {
  state: "connecting" | "live" | "offline";
  /** When the hub was last silent for the first time; null while it answers. */
  since: Date | null;
  heard(): void;
  silent(): void;
}

export const connection = reactive<Connection>({
  state: "connecting",
  since: null,
  heard() {
    this.state = "live";
    this.since = null;
  },
  silent() {
    if (this.state === "offline") return;
    this.state = "offline";
    this.since = new Date();
  },
});
