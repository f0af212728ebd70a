import { z } from "zod";

/**
 * Somebody's JSON as it came, known to be JSON. It is kept and handed on without being parsed: a parser would change large numbers
 * and cost more than everything else that is done with a message.
 */
export class JsonText {
  /** UTF-8 without a byte order mark. */
  constructor(readonly bytes: Uint8Array) {}

  /** Where it is printed as a part of something else after all. */
  toJSON(): unknown {
    return JSON.parse(utf8.decode(this.bytes)) as unknown;
  }
}

// A mark would stand in the middle of the document that the text becomes a part of: it is no JSON, then.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @returns undefined for what is not JSON in UTF-8 */
export function jsonText(bytes: Uint8Array): JsonText | undefined {
  try {
    JSON.parse(utf8.decode(bytes));
    return new JsonText(bytes);
  } catch {
    return undefined;
  }
}

/** A field that holds any JSON: as a door found it in the bytes of a request, or as a value. */
export const AnyJson = z.unknown().transform((value, context) => {
  if (value instanceof JsonText) return value;
  if (value !== undefined) return new JsonText(new TextEncoder().encode(JSON.stringify(value)));
  context.issues.push({ code: "custom", message: "must be given: any JSON", input: value });
  return z.NEVER;
});

/** JSON with {@link JsonText} in it, as bytes: what is text already is copied as it stands. */
export function printJson(value: unknown): Uint8Array {
  const printer = new Printer();
  printer.print(value);
  return printer.bytes();
}

class Printer {
  private readonly parts: Uint8Array[] = [];
  private text = "";

  print(value: unknown): void {
    if (value instanceof JsonText) this.raw(value.bytes);
    else if (Array.isArray(value)) this.list(value);
    else if (typeof value === "object" && value !== null) this.object(value);
    else this.text += JSON.stringify(value);
  }

  bytes(): Uint8Array {
    this.flush();
    return Buffer.concat(this.parts);
  }

  private list(values: readonly unknown[]): void {
    this.text += "[";
    for (const [index, value] of values.entries()) {
      if (index > 0) this.text += ",";
      this.print(value);
    }
    this.text += "]";
  }

  private object(value: object): void {
    let separator = "{";
    for (const [name, member] of Object.entries(value)) {
      if (member === undefined) continue;
      this.text += `${separator}${JSON.stringify(name)}:`;
      this.print(member);
      separator = ",";
    }
    this.text += separator === "{" ? "{}" : "}";
  }

  private raw(bytes: Uint8Array): void {
    this.flush();
    this.parts.push(bytes);
  }

  private flush(): void {
    if (this.text === "") return;
    this.parts.push(Buffer.from(this.text));
    this.text = "";
  }
}
