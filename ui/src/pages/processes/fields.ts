/** A form's fields as people write them: one line each, "name | title | type | required | value=title, value=title". */

export interface Field {
  name: string;
  title: string;
  type: string;
  required: boolean;
  values: { value: string; title: string }[];
}

export function fieldsToText(fields: Field[]): string {
  return fields.map(lineOf).join("\n");
}

function lineOf({ name, title, type, required, values }: Field): string {
  const parts = [name, title, type, required ? "*" : "", values.map((one) => (one.title === one.value ? one.value : `${one.value}=${one.title}`)).join(", ")];
  return parts.join(" | ").replace(/( \| )+$/, "");
}

/** The fields of a text; lines without a name say nothing. */
export function fieldsFromText(text: string): Field[] {
  return text.split("\n").flatMap((line) => {
    const [name = "", title = "", type = "", required = "", values = ""] = line.split("|").map((part) => part.trim());
    return name ? [{ name, title: title || name, type: type || "string", required: required === "*", values: valuesOf(values) }] : [];
  });
}

function valuesOf(text: string): Field["values"] {
  return text.split(",").flatMap((part) => {
    const [value = "", title = ""] = part.split("=").map((one) => one.trim());
    return value ? [{ value, title: title || value }] : [];
  });
}

/** The smallest process that can be drawn further. */
export function newBpmn(id: string, name: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:di="http://www.omg.org/spec/DD/20100524/DI" xmlns:hub="https://cityhub.dev/bpmn/1" id="definitions" targetNamespace="https://cityhub.dev/processes">
  <bpmn:process id="${id}" name="${name}" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:outgoing>flow</bpmn:outgoing></bpmn:startEvent>
    <bpmn:userTask id="handle" name="${name}"><bpmn:incoming>flow</bpmn:incoming></bpmn:userTask>
    <bpmn:sequenceFlow id="flow" sourceRef="start" targetRef="handle" />
  </bpmn:process>
  <bpmndi:BPMNDiagram id="diagram"><bpmndi:BPMNPlane id="plane" bpmnElement="${id}">
    <bpmndi:BPMNShape id="start_di" bpmnElement="start"><dc:Bounds x="160" y="162" width="36" height="36" /></bpmndi:BPMNShape>
    <bpmndi:BPMNShape id="handle_di" bpmnElement="handle"><dc:Bounds x="250" y="140" width="100" height="80" /></bpmndi:BPMNShape>
    <bpmndi:BPMNEdge id="flow_di" bpmnElement="flow"><di:waypoint x="196" y="180" /><di:waypoint x="250" y="180" /></bpmndi:BPMNEdge>
  </bpmndi:BPMNPlane></bpmndi:BPMNDiagram>
</bpmn:definitions>
`;
}

/** An empty decision table. */
export function newDmn(id: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="${id}-definitions" name="${id}" namespace="https://cityhub.dev/decisions">
  <decision id="${id}" name="${id}"><variable name="${id}" />
    <decisionTable id="${id}-table" hitPolicy="UNIQUE"><input id="${id}-input"><inputExpression id="${id}-expression" typeRef="string"><text>kind</text></inputExpression></input><output id="${id}-output" name="result" typeRef="string" /></decisionTable>
  </decision>
</definitions>
`;
}
