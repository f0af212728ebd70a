import { eventually } from "../support/eventually.ts";
import { call } from "../support/node-client.ts";
import type { ProcessCluster } from "../support/process-cluster.ts";
import { SmallDisk } from "../support/small-disk.ts";

/** Of a disk that is not full: for the log of minutes, and little enough to be filled up soon. */
const FREE_MIB = 150;
/** So long is written to full disks at most until the log needs its next segment. */
const WRITING_MS = 25_000;
const WRITERS = 8;
const NAMES = 63;
const NAME_BYTES = 400;

/** A small file system below the data directory of each node, which can be filled up and has room again. */
export class Disks implements Disposable {
  private readonly byNode = new Map<string, SmallDisk>();

  /** @param cluster that has not started yet */
  constructor(private readonly cluster: ProcessCluster) {
    for (const { id, dataDirectory } of cluster.nodes) {
      this.byNode.set(id, new SmallDisk(dataDirectory, FREE_MIB));
    }
  }

  /** Fills them up, and writes until one of the nodes has noticed. @returns whether one has */
  async fill(ids: readonly string[]): Promise<boolean> {
    for (const id of ids) this.byNode.get(id)?.fill();
    const writing = new AbortController();
    const writers = Array.from({ length: WRITERS }, (_, i) => this.write(i, writing.signal));
    const noticed = await eventually(async () => (await Promise.all(ids.map((id) => this.isFull(id)))).includes(true), {
      deadlineMs: WRITING_MS,
      intervalMs: 200,
      what: "a full disk",
    }).catch(() => false);
    writing.abort();
    await Promise.all(writers);
    return noticed;
  }

  clear(ids: readonly string[]): void {
    for (const id of ids) {
      this.byNode.get(id)?.clear();
      this.byNode.get(id)?.leave(FREE_MIB);
    }
  }

  [Symbol.dispose](): void {
    for (const disk of this.byNode.values()) disk[Symbol.dispose]();
  }

  /**
   * Requests for many locks with long names, one of which is held from the beginning to the end: each is a long entry of
   * the log that changes nothing, so that no history needs to know of it.
   */
  private async write(writer: number, signal: AbortSignal): Promise<void> {
    const ids = this.cluster.ids;
    const free = Array.from({ length: NAMES }, (_, i) => ({ name: `${writer}-${i}`.padEnd(NAME_BYTES, "-") }));
    const body = { owner: `writer-${writer}`, timeout: 0, locks: [...free, { name: "sentinel-owned" }] };
    for (let n = writer; !signal.aborted; n++) {
      const url = this.cluster.url(ids[n % ids.length] ?? "");
      const reply = await call("POST", `${url}/locks`, { body, timeoutMs: 2_000 }).catch(() => undefined);
      if (reply?.status !== 423) await Bun.sleep(50);
    }
  }

  private async isFull(id: string): Promise<boolean> {
    const path = `${this.cluster.url(id)}/cluster?consistency=local`;
    const reply = await call<Members>("GET", path, { timeoutMs: 1_000 }).catch(() => undefined);
    if (reply?.status !== 200) return false;
    return reply.body.members.some(({ node_id, disk }) => node_id === id && (disk ?? "ok") !== "ok");
  }
}

interface Members {
  readonly members: readonly { readonly node_id: string; readonly disk: string | null }[];
}
