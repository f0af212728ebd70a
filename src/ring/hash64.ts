import { utf8Length, writeUtf8 } from "../kernel/utf8.ts";

/** Holds the text that is being hashed, with zeros up to a whole block. Grows to the longest text. */
let scratch = new Uint8Array(1024);

const BLOCK_BYTES = 16;
const TWO_32 = 0x1_0000_0000;

/**
 * 64 bits of MurmurHash3_x86_128 (Appleby, 2011; seed 0) over the text in UTF-8, of which the 53 fit a safe integer: the
 * first lane and the low 21 bits of the second. That variant needs 32-bit multiplications only, so no BigInt.
 *
 * It decides where data lives. **It never changes**: a node that hashed otherwise would look for a queue in another shard.
 * Not a defence against someone who looks for collisions; those cost balance and nothing else.
 *
 * @returns an integer in 0…2⁵³−1
 */
export function hash64(text: string): number {
  const length = utf8Length(text);
  const padded = Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES;
  if (padded > scratch.length) scratch = new Uint8Array(2 * padded);
  writeUtf8(scratch, 0, text);
  scratch.fill(0, length, padded);
  const [first, second] = murmur3(scratch, length, 0);
  return (second & 0x1f_ffff) * TWO_32 + first;
}

/**
 * The first two of MurmurHash3_x86_128's four lanes, as unsigned words.
 *
 * @param bytes holds zeros from `length` up to a whole block of 16: so the tail is a block like the others, since a word of
 *   zeros leaves its lane as it is
 */
export function murmur3(bytes: Uint8Array, length: number, seed: number): readonly [number, number, number, number] {
  let h1 = seed | 0;
  let h2 = h1;
  let h3 = h1;
  let h4 = h1;
  const whole = length - (length % BLOCK_BYTES);
  for (let at = 0; at < length; at += BLOCK_BYTES) {
    h1 ^= scramble(wordAt(bytes, at), 0x239b961b, 15, 0xab0e9789);
    if (at < whole) h1 = Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b;
    h2 ^= scramble(wordAt(bytes, at + 4), 0xab0e9789, 16, 0x38b34ae5);
    if (at < whole) h2 = Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747;
    h3 ^= scramble(wordAt(bytes, at + 8), 0x38b34ae5, 17, 0xa1e38b93);
    if (at < whole) h3 = Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35;
    h4 ^= scramble(wordAt(bytes, at + 12), 0xa1e38b93, 18, 0x239b961b);
    if (at < whole) h4 = Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17;
  }
  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = avalanche(h2 + h1);
  h3 = avalanche(h3 + h1);
  h4 = avalanche(h4 + h1);
  h1 = (avalanche(h1) + h2 + h3 + h4) | 0;
  return [h1 >>> 0, (h2 + h1) >>> 0, (h3 + h1) >>> 0, (h4 + h1) >>> 0];
}

function scramble(word: number, before: number, by: number, after: number): number {
  return Math.imul(rotate(Math.imul(word, before), by), after);
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}

/** Every bit of the word changes half of the others. */
function avalanche(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
