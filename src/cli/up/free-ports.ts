import { createServer } from "node:net";
import { StartError } from "../../kernel/start-error.ts";

/**
 * Makes sure that nobody listens on any of the ports, before the first child is started.
 *
 * @throws {StartError} naming the first port that is taken
 */
export async function checkPortsAreFree(ports: readonly number[]): Promise<void> {
  const failures = await Promise.all(ports.map(tryPort));
  for (const [index, failure] of failures.entries()) {
    const port = ports[index];
    if (failure === undefined || port === undefined) continue;
    if (failure === "EADDRINUSE") {
      throw new StartError(
        `port ${port} is taken: stop the process that has it ("ss -ltnp sport = :${port}" shows it), or choose others with --port.`,
      );
    }
    throw new StartError(`port ${port} cannot be used (${failure}): choose others with --port.`);
  }
}

/** @returns the system's error code, or undefined when the port is free */
function tryPort(port: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const server = createServer();
  server.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(undefined)));
  return promise;
}
