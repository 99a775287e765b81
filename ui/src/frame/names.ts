/** Names of people and organizations for the ids that the hub gives. */

import { inject, ref, shallowRef, type Ref } from "vue";

import { PEOPLE, type Person } from "../api/people";
import { readOrganizations } from "../api/places";
import { inLanguage, type Names } from "./words";

export interface Namer {
  people: Ref<Person[]>;
  person(id: string | undefined): string;
  department(id: string | undefined): string;
  departments(): { id: string; name: string }[];
}

/** The names, as far as they have been read; an id that has none stands for itself, by its last part. */
export function useNames(): Namer {
  const people = inject(PEOPLE, ref([]));
  const organizations = shallowRef<Map<string, Names>>(new Map());
  readOrganizations().then(
    (read) => (organizations.value = read),
    () => undefined,
  );
  const person = (id: string | undefined): string => people.value.find((one) => one.id === id)?.name ?? lastPart(id);
  const department = (id: string | undefined): string => inLanguage(organizations.value.get(id ?? ""), lastPart(id));
  const departments = (): { id: string; name: string }[] => [...organizations.value.keys()].map((id) => ({ id, name: department(id) }));
  return { people, person, department, departments };
}

/** The last part of a URN or path; the whole when it has none. */
export function lastPart(id: string | undefined): string {
  return id?.split(/[:/]/).findLast((part) => part) ?? "";
}

/** A text that may be given in languages, or plain. */
export function textOf(text: Names | string | undefined, otherwise = ""): string {
  return typeof text === "string" ? text || otherwise : inLanguage(text, otherwise);
}
