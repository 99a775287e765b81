/** From the form of an operation to what the hub is told. */

import { ASKED, type Operation } from "./reading";

export interface OperationForm {
  task: string;
  department: string;
  departments: string[];
  person: string;
  amount: string;
  limit: string;
  into: string;
  grade: string;
  event: string;
  parts: string;
  score: string;
  note: string;
}

/** Only what the operation asks for, and of that only what was said. */
export function told(operation: Operation, form: OperationForm): Record<string, unknown> {
  const asked = ASKED[operation];
  const all: Record<string, unknown> = {
    task: form.task, department: form.department, departments: form.departments, person: form.person, into: form.into.trim(), grade: form.grade, event: form.event.trim(), note: form.note.trim(),
    score: Number(form.score), parts: lines(form.parts).map((title) => ({ title })),
  };
  const said = Object.fromEntries(asked.filter((name) => name in all).map((name) => [name, all[name]]));
  if (asked.includes("amount")) Object.assign(said, { limit: form.limit, amount: Number(form.amount) });
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== "" && !(Array.isArray(value) && !value.length)));
}

const lines = (text: string): string[] => text.split("\n").map((line) => line.trim()).filter(Boolean);
