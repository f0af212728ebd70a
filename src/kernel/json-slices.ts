/**
 * Where values stand in the bytes of a JSON document, so that what somebody else's JSON holds can be kept as it came: parsed and
 * printed again, 12345678901234567890 would be another number. All of it reads only what a parser has found to be JSON.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];
const SPACE = 0x20;

/** The last member of that name of an object, without space around it; undefined: there is none, or this is no object. */
export function memberSlice(json: Uint8Array, name: string): Uint8Array | undefined {
  let found: Uint8Array | undefined;
  let at = skipSpace(json, 0);
  if (json[at] !== OPEN_OBJECT) return undefined;
  at = skipSpace(json, at + 1);
  while (at < json.length && json[at] !== CLOSE_OBJECT) {
    const keyEnd = skipString(json, at);
    const start = skipSpace(json, skipSpace(json, keyEnd) + 1);
    const end = skipValue(json, start);
    // The last one wins, as for a parser.
    if (isKey(json, at, keyEnd, name)) found = json.subarray(start, end);
    at = skipSpace(json, end);
    if (json[at] === COMMA) at = skipSpace(json, at + 1);
  }
  return found;
}

/** The elements of a list, without space around them; none where this is no list. */
export function elementSlices(json: Uint8Array): Uint8Array[] {
  const slices: Uint8Array[] = [];
  let at = skipSpace(json, 0);
  if (json[at] !== OPEN_LIST) return slices;
  at = skipSpace(json, at + 1);
  while (at < json.length && json[at] !== CLOSE_LIST) {
    const end = skipValue(json, at);
    slices.push(json.subarray(at, end));
    at = skipSpace(json, end);
    if (json[at] === COMMA) at = skipSpace(json, at + 1);
  }
  return slices;
}

/** A key may be written with escapes: `"d\u0061ta"` is `data`. */
function isKey(json: Uint8Array, start: number, end: number, name: string): boolean {
  const key = json.subarray(start + 1, end - 1);
  // At most six characters for one; and what is longer would not go through a call's arguments.
  if (key.length > name.length * 6) return false;
  if (key.includes(BACKSLASH)) return JSON.parse(`"${String.fromCharCode(...key)}"`) === name;
  if (key.length !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (key[i] !== name.charCodeAt(i)) return false;
  return true;
}

function skipValue(json: Uint8Array, start: number): number {
  let depth = 0;
  let at = start;
  while (at < json.length) {
    const byte = json[at];
    if (byte === QUOTE) {
      at = skipString(json, at);
      if (depth === 0) return at;
      continue;
    }
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth += 1;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
      // Of what is around a number or a word.
      if (depth === 0) return at;
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (byte === COMMA || byte === undefined || byte <= SPACE)) return at;
    at += 1;
  }
  return at;
}

/** @returns behind its closing quote. `indexOf` is native: long texts cost nearly nothing. */
function skipString(json: Uint8Array, start: number): number {
  let at = start + 1;
  for (;;) {
    const quote = json.indexOf(QUOTE, at);
    if (quote === -1) return json.length;
    let escapes = 0;
    while (quote - escapes - 1 > start && json[quote - escapes - 1] === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

function skipSpace(json: Uint8Array, start: number): number {
  let at = start;
  while (at < json.length && (json[at] ?? 0) <= SPACE) at += 1;
  return at;
}
