declare module "dmn-js/lib/Modeler" {
  interface View {
    id?: string;
    name?: string;
    type: string;
    element?: { name?: string };
  }
  interface Viewer {
    on(event: string, listener: () => void): void;
  }
  export default class Modeler {
    constructor(options: Record<string, unknown>);
    importXML(xml: string): Promise<unknown>;
    saveXML(options: { format: boolean }): Promise<{ xml?: string }>;
    on(event: string, listener: (told: { views?: View[]; activeView?: View }) => void): void;
    open(view: unknown): Promise<unknown>;
    getActiveViewer(): Viewer | undefined;
    destroy(): void;
  }
}
