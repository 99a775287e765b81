/** The parts of the modeller that these pages use. */

export interface ModdleElement {
  $type: string;
  id?: string;
  name?: string;
  get(name: string): unknown;
  [member: string]: unknown;
}

export interface Element {
  id: string;
  type: string;
  businessObject: ModdleElement;
}

export interface EventBus {
  on(event: string, listener: (told: { newSelection?: Element[] }) => void): void;
}

export interface Overlays {
  add(element: string, type: string, overlay: { position: { top: number; left: number }; html: HTMLElement }): void;
  remove(filter: { type: string }): void;
}

export interface Registry {
  get(id: string): Element | undefined;
}

export interface Selection {
  select(element: Element): void;
}

export interface Canvas {
  zoom(to: "fit-viewport" | number, centre?: "auto"): number;
  scroll(by: { dx: number; dy: number }): void;
  scrollToElement(element: Element): void;
}

export interface Modeling {
  updateProperties(element: Element, properties: Record<string, unknown>): void;
  updateModdleProperties(element: Element, moddle: ModdleElement, properties: Record<string, unknown>): void;
}

export interface Factory {
  create(type: string, properties?: Record<string, unknown>): ModdleElement;
}
