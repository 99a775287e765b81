/** An alert as the hub answers. */

import type { Alert } from "../src/api/alerts";

export const alert: Alert = {
  id: "urn:ngsi-ld:Alert:1", rule: "rain-1h", version: 2, grade: "orange", state: "open", outcome: "", subject: "urn:ngsi-ld:RainGauge:wenhui", entities: [],
  title: { zh: "短时强降雨", en: "Heavy rain" }, description: { zh: "文汇雨量站 1 小时雨量 52 mm，达到 50 mm" }, category: "weather", event: {}, issued: "2026-11-23T06:05:00Z",
  since: "2026-11-23T06:05:01Z", cleared: "", acknowledgedAt: "", acknowledgedBy: "", closedAt: "", suppressedBy: null,
  reason: {
    rule: "rain-1h", version: 2, condition: "rain_1h >= 50", thresholds: [{ name: "rain_1h", operator: ">=", value: 50 }],
    inputs: [{ name: "rain_1h", value: 52.25, unit: "MMT", at: "2026-11-23T06:04:00Z" }, { name: "level", value: null }],
  },
};
