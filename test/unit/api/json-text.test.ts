import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AnyJson, jsonText, JsonText, printJson } from "../../../src/api/json-text.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const printed = (value: unknown): string => new TextDecoder().decode(printJson(value));

describe("jsonText", () => {
  test.each(['{"a": 1}', "[]", '"x"', "7", "null", " true\n", '"\\ud800"', "1E400"])(
    "takes %s as it stands",
    (text) => {
      expect(jsonText(bytes(text))?.bytes).toEqual(bytes(text));
    },
  );

  test.each([
    ["nothing", bytes("")],
    ["half a document", bytes('{"a":')],
    ["two documents", bytes("1 2")],
    ["a comment", bytes("/**/1")],
    ["what is not UTF-8", Uint8Array.of(0x22, 0xff, 0x22)],
    ["a byte order mark, which would stand in the middle of a reply", bytes("\ufeff{}")],
  ])("refuses %s", (_case, text) => {
    expect(jsonText(text)).toBeUndefined();
  });
});

describe("printJson", () => {
  test("copies text as it stands, and prints the rest", () => {
    const data = new JsonText(bytes('{ "n": 12345678901234567890 }'));
    const value = { a: "ü", data, list: [data, 1, null, { data }], gone: undefined, empty: {}, none: [] };
    expect(printed(value)).toBe(
      '{"a":"ü","data":{ "n": 12345678901234567890 },"list":[{ "n": 12345678901234567890 },1,null,' +
        '{"data":{ "n": 12345678901234567890 }}],"empty":{},"none":[]}',
    );
  });

  test("prints what JSON.stringify prints where there is no text", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => expect(printed(value)).toBe(JSON.stringify(value))));
  });
});

test("a field for any JSON takes a value of a door that has parsed it, and refuses none at all", () => {
  expect(new TextDecoder().decode(AnyJson.parse({ a: [1] }).bytes)).toBe('{"a":[1]}');
  expect(new TextDecoder().decode(AnyJson.parse(null).bytes)).toBe("null");
  expect(AnyJson.safeParse(undefined).success).toBe(false);
});
