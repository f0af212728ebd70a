const givenPorts = new Set<number>();
const FIRST_PORT = 10_000;
const PORTS = 14_000;

/**
 * Ports that were free a moment ago, all different from those given before.
 *
 * They lie below the range from which the system gives ports to outgoing connections: while a node is down between two
 * starts, one of those could take its port.
 */
export function freePorts(count: number): number[] {
  const ports: number[] = [];
  for (let attempt = 0; ports.length < count; attempt++) {
    if (attempt > 1_000) throw new Error("no free ports found");
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (givenPorts.has(port) || !isFree(port)) continue;
    givenPorts.add(port);
    ports.push(port);
  }
  return ports;
}

export function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}
