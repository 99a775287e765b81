declare module "@bpmn-io/feel-editor" {
  export default class FeelEditor {
    constructor(options: {
      container: HTMLElement;
      value?: string;
      variables?: { name: string }[];
      placeholder?: string;
      contentAttributes?: Record<string, string>;
      onChange?: (text: string) => void;
    });
    setValue(value: string): void;
    setVariables(variables: { name: string }[]): void;
  }
}
