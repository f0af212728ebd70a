import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { elementSlices, memberSlice } from "../../../src/kernel/json-slices.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (slice: Uint8Array | undefined): string | undefined =>
  slice === undefined ? undefined : new TextDecoder().decode(slice);

describe("memberSlice", () => {
  test.each([
    ['{"data":1}', "1"],
    [' { "x" : [1,{"data":2}] , "data" : { "a" : "}" }  } ', '{ "a" : "}" }'],
    ['{"data":"a\\"b,c"}', '"a\\"b,c"'],
    ['{"data":"\\\\"}', '"\\\\"'],
    ['{"data":12345678901234567890}', "12345678901234567890"],
    ['{"data":null\n}', "null"],
    ['{"data":[ ],"x":1}', "[ ]"],
    ['{"d\\u0061ta":1}', "1"],
    ['{"data":1,"data":2}', "2"],
    ['{"data":1,"d\\u0061ta":2}', "2"],
    ['{"x":{"data":1}}', undefined],
    ['{"data ":1,"dat":2,"datas":3,"":4}', undefined],
    ["{}", undefined],
    ["{ }", undefined],
    ['[{"data":1}]', undefined],
    ['"data"', undefined],
    ["7", undefined],
  ])("of %s", (json, slice) => {
    expect(text(memberSlice(bytes(json), "data"))).toBe(slice);
  });

  test("goes through a key of a million characters with escapes", () => {
    const json = `{"${"\\u0061".repeat(200_000)}":1,"data":2}`;
    expect(text(memberSlice(bytes(json), "data"))).toBe("2");
  });
});

describe("elementSlices", () => {
  test.each([
    ["[]", []],
    ["[ ]", []],
    ["[1]", ["1"]],
    [' [ 1 , "a,]" ,[2,[3]], {"x":"}"},true ] ', ["1", '"a,]"', "[2,[3]]", '{"x":"}"}', "true"]],
    ["{}", []],
    ["3", []],
  ])("of %s", (json, slices) => {
    expect(elementSlices(bytes(json)).map(text)).toEqual(slices);
  });
});

test("what is found where a value stands is that value, however the document is spaced", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.array(fc.jsonValue())), fc.constantFrom(0, 1, 4), (object, indent) => {
      const json = bytes(JSON.stringify(object, null, indent));
      for (const [name, list] of Object.entries(JSON.parse(JSON.stringify(object)) as Record<string, unknown[]>)) {
        // Names are those of our own schemas: ASCII without anything to escape.
        if (!/^[\w ]+$/.test(name)) continue;
        const slice = memberSlice(json, name);
        expect(JSON.parse(text(slice) ?? "")).toEqual(list);
        expect(elementSlices(slice!).map((element) => JSON.parse(text(element)!) as unknown)).toEqual(list);
      }
    }),
    { numRuns: 500 },
  );
});
