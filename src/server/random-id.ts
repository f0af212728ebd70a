const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BYTES_PER_ID = 17;
const pool = new Uint8Array(BYTES_PER_ID * 256);
let next = pool.length;

/** @returns 128 bits of the operating system's randomness in 22 characters of the base64url alphabet (RFC 4648 §5) */
export function randomId(): string {
  // One call to the system for 256 ids: a call for each would cost more than everything else in a request's id.
  if (next + BYTES_PER_ID > pool.length) {
    crypto.getRandomValues(pool);
    next = 0;
  }
  let id = "";
  let bits = 0;
  let held = 0;
  for (let i = 0; i < 22;) {
    if (held < 6) {
      bits = ((bits & 0x3f) << 8) | (pool[next++] ?? 0);
      held += 8;
    }
    held -= 6;
    id += ALPHABET[(bits >> held) & 0x3f];
    i++;
  }
  return id;
}

const NONCE_BYTES = 6;

/** @returns 48 bits of it as an integer */
export function randomNonce(): number {
  if (next + NONCE_BYTES > pool.length) {
    crypto.getRandomValues(pool);
    next = 0;
  }
  let nonce = 0;
  for (let i = 0; i < NONCE_BYTES; i++) nonce = nonce * 256 + (pool[next++] ?? 0);
  return nonce;
}
