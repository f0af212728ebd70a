import { appOver } from "./app.ts";
import { LocalControlGroup } from "./local-control-group.ts";
import { NodeClient } from "./node-client.ts";

/** One node in this process: the real surface and state machine, without log or peers. */
export class LockNode implements AsyncDisposable {
  readonly group = new LocalControlGroup();
  readonly client: NodeClient;
  readonly url: string;
  private readonly server: Bun.Server<undefined>;

  constructor() {
    const { app } = appOver(this.group);
    this.server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => {
        server.timeout(request, 0);
        return app.fetch(request, {});
      },
    });
    this.url = `http://127.0.0.1:${this.server.port}`;
    this.client = new NodeClient(this.url);
  }

  /** Cuts all connections and answers no more. */
  async stop(): Promise<void> {
    await this.server.stop(true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
