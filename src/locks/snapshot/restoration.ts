import { ByteReader, ByteWriter } from "../../kernel/bytes.ts";
import type { LockState } from "../state.ts";
import { BlockReader, readBlock, type Steps } from "./blocks.ts";
import { readContent } from "./content.ts";
import { demand, FORMAT, HEAD_BYTES, MAGIC, SnapshotVersionError } from "./format.ts";

/**
 * A state on its way in, beside the one in force. Bytes are worked off as they come, so the end has nothing left to do
 * (PROTOCOLS D10).
 */
export class LockRestoration {
  private readonly input = new BlockReader();
  private readonly steps: Steps;
  /** Taken, and not enough for the next step: less than a block. */
  private readonly rest = new ByteWriter();
  private status: "head" | "content" | "whole" | "broken" = "head";

  /**
   * @param state empty
   * @param onWhole puts it in force
   */
  constructor(
    private readonly state: LockState,
    private readonly onWhole: (state: LockState) => void,
  ) {
    this.steps = readContent(this.input, state);
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
    this.onWhole(this.state);
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
      checkHead(all);
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
}

/** @throws {DecodeError} */
function checkHead(bytes: Uint8Array): void {
  const head = new ByteReader(bytes);
  demand(
    head.raw(MAGIC.length).every((byte, i) => byte === MAGIC[i]),
    "no snapshot of the lock machine",
  );
  const format = head.u32();
  if (format !== FORMAT) throw new SnapshotVersionError(format);
}
