/**
 * UTF-8 by hand (RFC 3629): the pure folders see no `TextEncoder`, and for names of a few dozen
 * characters a loop is faster than a call out of the engine.
 */

const REPLACEMENT = 0xfffd;

/** Length of `text` in UTF-8, in bytes. A lone surrogate counts as U+FFFD. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) {
      length += 1;
      continue;
    }
    length += 2;
    // A pair is two units and four bytes: two more than its units, already counted for the first.
    if (isPair(text, i)) i++;
  }
  return length;
}

/** Writes `text` at `offset` and returns the offset behind it. The room must have been made. */
export function writeUtf8(target: Uint8Array, offset: number, text: string): number {
  let at = offset;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      target[at++] = code;
      continue;
    }
    if (isPair(text, i)) code = 0x10000 + ((code - 0xd800) << 10) + (text.charCodeAt(++i) - 0xdc00);
    else if (code >= 0xd800 && code <= 0xdfff) code = REPLACEMENT;
    at = writeCodePoint(target, at, code);
  }
  return at;
}

function writeCodePoint(target: Uint8Array, offset: number, code: number): number {
  let at = offset;
  if (code < 0x800) target[at++] = 0xc0 | (code >> 6);
  else {
    if (code < 0x10000) target[at++] = 0xe0 | (code >> 12);
    else {
      target[at++] = 0xf0 | (code >> 18);
      target[at++] = 0x80 | ((code >> 12) & 0x3f);
    }
    target[at++] = 0x80 | ((code >> 6) & 0x3f);
  }
  target[at++] = 0x80 | (code & 0x3f);
  return at;
}

function isPair(text: string, i: number): boolean {
  const unit = text.charCodeAt(i);
  if (unit < 0xd800 || unit > 0xdbff || i + 1 >= text.length) return false;
  const next = text.charCodeAt(i + 1);
  return next >= 0xdc00 && next <= 0xdfff;
}

/** Units that become text in one call: one by one they would make a chain of strings. */
const MAX_UNITS = 64;

/** Reads well-formed UTF-8; returns undefined for anything else (overlong, surrogate, cut short). */
export function readUtf8(source: Uint8Array, start: number, end: number): string | undefined {
  let text = "";
  let units: number[] = [];
  let at = start;
  while (at < end) {
    if (units.length >= MAX_UNITS) {
      text += String.fromCharCode(...units);
      units = [];
    }
    const lead = source[at++] ?? 0;
    if (lead < 0x80) {
      units.push(lead);
      continue;
    }
    const extra =
      lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : lead >= 0xf0 && lead < 0xf5 ? 3 : 0;
    if (extra === 0 || at + extra > end) return undefined;
    let code = lead & (0x3f >> extra);
    for (let k = 0; k < extra; k++) {
      const next = source[at++] ?? 0;
      if ((next & 0xc0) !== 0x80) return undefined;
      code = (code << 6) | (next & 0x3f);
    }
    if (!isScalar(code, extra)) return undefined;
    if (code < 0x10000) units.push(code);
    else units.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff));
  }
  return text + String.fromCharCode(...units);
}

function isScalar(code: number, extra: number): boolean {
  if (extra === 2) return code >= 0x800 && !(code >= 0xd800 && code <= 0xdfff);
  if (extra === 3) return code >= 0x10000 && code <= 0x10ffff;
  return true;
}
