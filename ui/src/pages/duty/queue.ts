/** The queue of the duty desk: alerts that nobody has taken up and cases that are open, the gravest and oldest first. */

import type { Alert } from "../../api/alerts";
import type { CaseHead } from "../../api/cases";
import { textOf } from "../../frame/names";
import { byGradeAndAge, saysSimulatedAlert, subjectText } from "../alerts/reading";

export interface Waiting {
  key: string;
  kind: "alert" | "case";
  id: string;
  grade: string;
  title: string;
  about: string;
  since: string;
  dueAt: string;
  overdue: boolean;
  /** The alert that somebody must still acknowledge; "" when there is none. */
  unacknowledged: string;
  step: string;
  simulated: boolean;
}

/**
 * An alert that has opened a case stands in the queue as that case; it is acknowledged there all the same.
 *
 * Args: `mine` holds the ids of the cases that have a task for the one who looks; null shows everything.
 */
export function queueOf(alerts: Alert[], cases: CaseHead[], mine: Set<string> | null): Waiting[] {
  const waiting = alerts.filter((alert) => alert.state === "open" || alert.state === "acknowledged");
  const byId = new Map(waiting.map((alert) => [alert.id, alert]));
  const alertOf = (one: CaseHead): Alert | undefined => byId.get(one.alert ?? "");
  const known = new Set(cases.map((one) => alertOf(one)?.id));
  const rows = [
    ...cases.filter((one) => !mine || mine.has(one.id) || alertOf(one)?.state === "open").map((one) => caseRow(one, alertOf(one))),
    ...waiting.filter((alert) => !known.has(alert.id)).filter((alert) => !mine || alert.state === "open").map(alertRow),
  ];
  return rows.sort(byGradeAndAge);
}

function alertRow(alert: Alert): Waiting {
  return {
    key: `alert ${alert.id}`, kind: "alert", id: alert.id, grade: alert.grade, title: textOf(alert.title, alert.rule), about: subjectText(alert),
    since: alert.issued, dueAt: "", overdue: false, unacknowledged: alert.state === "open" ? alert.id : "", step: "", simulated: saysSimulatedAlert(alert),
  };
}

function caseRow(one: CaseHead, alert: Alert | undefined): Waiting {
  return {
    key: `case ${one.id}`, kind: "case", id: one.id, grade: one.grade, title: one.title, about: one.number, since: one.openedAt, dueAt: one.dueAt ?? "",
    overdue: Boolean(one.overdue), unacknowledged: alert?.state === "open" ? alert.id : "", step: one.step ?? "", simulated: alert ? saysSimulatedAlert(alert) : false,
  };
}
