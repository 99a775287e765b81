import { expect, test } from "vitest";

import { differences } from "../src/parts/texts";
import { fromYaml, newDefinition, spare, toYaml } from "../src/pages/feeds/definition";

const feed = {
  ...newDefinition(), id: "rain", protocol: "mqtt", title: { zh: "雨量", en: "" }, version: 3, enabled: false,
  entities: [{ type: "RainGauge", id: '"urn:x:" + id', attributes: { rain: { value: "mm", unit: "", scale: 0 } } }],
};

test("what says nothing is left out, what is false or zero is not", () => {
  expect(spare(feed)).toEqual({
    id: "rain", protocol: "mqtt", title: { zh: "雨量" }, format: "json", enabled: false,
    entities: [{ type: "RainGauge", id: '"urn:x:" + id', attributes: { rain: { value: "mm", scale: 0 } } }],
  });
});

test("YAML goes both ways and is read by people", () => {
  const text = toYaml(feed);
  expect(text).toContain("zh: 雨量");
  expect(spare(fromYaml(text))).toEqual(spare(feed));
});

test.each(["- a", "just words", "a: &x 1\nb: *x", "a: [1"])("what is no definition is refused: %s", (text) => expect(() => fromYaml(text)).toThrow());

test("differences keep what is common", () => {
  expect(differences("a\nb\nc", "a\nx\nc\nd").map(({ mark, text }) => `${mark} ${text}`)).toEqual(["same a", "gone b", "new x", "same c", "new d"]);
  expect(differences("a", "a")).toEqual([{ mark: "same", text: "a" }]);
});
