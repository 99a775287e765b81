/** The people who work with the hub. */

import type { InjectionKey, Ref } from "vue";

import { ask } from "./client";

export interface Person {
  id: string;
  name: string;
  department: string;
  roles?: string[];
  language?: string;
  simulated?: boolean;
  active?: boolean;
}

/** The people that the frame has read, for every page. */
export const PEOPLE: InjectionKey<Ref<Person[]>> = Symbol("people");

export const listPeople = async (signal?: AbortSignal): Promise<Person[]> =>
  (await ask<{ people: Person[] }>("/api/people", { query: { limit: 1000 }, signal })).people;
