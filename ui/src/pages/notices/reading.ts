/** How a notice reads: whether it waits to be read, and where it leads to. */

import type { Notice } from "../../api/notices";

/** Whether it stands on the screen of its person and was not read. */
export function isUnread(notice: Pick<Notice, "channel" | "readAt" | "state">): boolean {
  return notice.channel === "screen" && !notice.readAt && ["sent", "delivered"].includes(notice.state);
}

/** The path in the operations centre that it leads to; "" for an address that is none of it. */
export function pathOf(link: string | undefined): string {
  const path = (link ?? "").replace(/^https?:\/\/[^/]+/, "").replace(/^\/centre(?=\/|$)/, "");
  return /^\/(?!\/)/.test(path) ? path : "";
}
