import { appOver } from "./app.ts";
import { LocalControlGroup } from "./local-control-group.ts";
import { MemoryQueue } from "./memory-queue.ts";

/** One node in this process: the real surface over queues in memory. */
export class QueueNode implements AsyncDisposable {
  readonly queues = new MemoryQueue();
  readonly url: string;
  /** Looks at a request before the node does; a response is the answer in its place. */
  intercept: (request: Request) => Response | Promise<Response> | undefined = () => undefined;
  private readonly server: Bun.Server<undefined>;

  constructor() {
    const { app } = appOver(new LocalControlGroup(), undefined, this.queues);
    this.server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => {
        server.timeout(request, 0);
        return this.intercept(request) ?? app.fetch(request, {});
      },
    });
    this.url = `http://127.0.0.1:${this.server.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop(true);
  }
}
