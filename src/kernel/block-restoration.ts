import { ByteReader, ByteWriter, DecodeError, demand } from "./bytes.ts";
import { BlockReader, readBlock, type Steps } from "./snapshot-blocks.ts";

/** What content of one kind begins with: eight bytes that name it, then its format as four, little-endian. */
export interface SnapshotFormat {
  /** Eight ASCII characters. */
  readonly magic: string;
  /** Rises with every change of what stands behind the head. */
  readonly format: number;
  /** Whose state it is, for messages: "the lock machine". */
  readonly of: string;
}

/** The snapshot was made by another version of the program: it is not damaged, and this version cannot read it. */
export class SnapshotVersionError extends DecodeError {
  override name = "SnapshotVersionError";

  constructor(
    readonly format: number,
    expected: SnapshotFormat,
  ) {
    super(`a snapshot of ${expected.of} in format ${format}; this version reads format ${expected.format}`);
  }
}

export const HEAD_BYTES = 12;

export function encodeHead({ magic, format }: SnapshotFormat): Uint8Array {
  const head = new ByteWriter(HEAD_BYTES);
  for (let i = 0; i < magic.length; i++) head.u8(magic.charCodeAt(i));
  head.u32(format);
  return head.copy();
}

/**
 * A state on its way in, beside the one in force. Bytes are worked off as they come, so the end has nothing left to do
 * (PROTOCOLS D10).
 */
export class BlockRestoration {
  private readonly input = new BlockReader();
  private readonly steps: Steps;
  /** Taken, and not enough for the next step: less than a block. */
  private readonly rest = new ByteWriter();
  private status: "head" | "content" | "whole" | "broken" = "head";

  /**
   * @param content what stands behind the head, read block by block
   * @param onWhole puts the state in force
   */
  constructor(
    private readonly format: SnapshotFormat,
    content: (input: BlockReader) => Steps,
    private readonly onWhole: () => void,
  ) {
    this.steps = content(this.input);
    this.steps.next();
  }

  /**
   * The next bytes, however they are cut.
   *
   * @throws {SnapshotVersionError} for content of another version
   * @throws {DecodeError} for anything else that no machine writes
   */
  take(bytes: Uint8Array): void {
    demand(this.status !== "broken", "the rest of a snapshot that was refused");
    const { status } = this;
    this.status = "broken";
    this.status = this.work(bytes, status);
  }

  /** @throws {DecodeError} when something is missing */
  finish(): void {
    demand(this.status === "whole" && this.rest.length === 0, "a snapshot is cut short, or was refused");
    this.status = "broken";
    this.onWhole();
  }

  private work(bytes: Uint8Array, status: "head" | "content" | "whole"): "head" | "content" | "whole" {
    const { rest } = this;
    let all = bytes;
    if (rest.length > 0) {
      rest.raw(bytes);
      all = rest.written();
    }
    let offset = 0;
    let now = status;
    if (now === "head" && all.length >= HEAD_BYTES) {
      this.checkHead(all);
      offset = HEAD_BYTES;
      now = "content";
    }
    if (now !== "head") {
      for (let next = readBlock(all, offset); next !== undefined; next = readBlock(all, offset)) {
        demand(now === "content", "more bytes than a snapshot has");
        offset = next.end;
        this.input.bytes = next.block;
        if (this.steps.next().done === true) now = "whole";
        next.block.finish();
      }
    }
    const left = all.slice(offset);
    rest.reset();
    rest.raw(left);
    return now;
  }

  /** @throws {DecodeError} */
  private checkHead(bytes: Uint8Array): void {
    const head = new ByteReader(bytes);
    const magic = String.fromCharCode(...head.raw(this.format.magic.length));
    demand(magic === this.format.magic, `no snapshot of ${this.format.of}`);
    const format = head.u32();
    if (format !== this.format.format) throw new SnapshotVersionError(format, this.format);
  }
}
