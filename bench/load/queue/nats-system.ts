import { freePorts } from "../../../test/support/free-ports.ts";
import { askNode, type NodeSystem, type NodeView, type Place } from "../clusters/system.ts";

/**
 * NATS with JetStream on the disk, at its defaults. It confirms what a majority has in its page cache: it calls fsync once in
 * two minutes, and its version 2.9 cannot be told otherwise.
 */
export class NatsSystem implements NodeSystem {
  readonly name = "NATS JetStream";
  /** Of the HTTP pages that tell who leads. */
  private readonly pages: readonly number[];

  constructor(
    private readonly program: string,
    size: number,
  ) {
    this.pages = freePorts(size);
  }

  command(places: readonly Place[], index: number): string[] {
    const { host, clientPort, peerPort, directory } = places[index] as Place;
    const routes = places.map((place) => `nats://${place.host}:${place.peerPort}`);
    return [
      this.program,
      ...["--name", `node${index + 1}`, "--addr", host, "--port", String(clientPort)],
      ...["--http_port", String(this.pages[index])],
      ...["--cluster_name", "bench", "--cluster", `nats://${host}:${peerPort}`, "--routes", routes.join(",")],
      ...["--jetstream", "--store_dir", directory],
    ];
  }

  /** The leader of the meta group; streams have others. */
  async view(place: Place, index: number): Promise<NodeView | undefined> {
    const url = `http://${place.host}:${this.pages[index]}/jsz`;
    const page = await askNode<{ meta_cluster?: { leader?: string } }>(url, { method: "GET" });
    if (page === undefined) return undefined;
    return { id: `node${index + 1}`, leader: page.meta_cluster?.leader };
  }

  async prepare(): Promise<void> {}
}
