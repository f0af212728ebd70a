/**
 * The command line over a node that is no node: for tests of `up` and `serve` that need a process and not consensus.
 * The first node of `--peers` says that it leads. FAKE_REFUSE and FAKE_CRASH name a node that behaves so at its start.
 */
import { runCli } from "../../src/cli/application.ts";
import { StartError } from "../../src/kernel/start-error.ts";
import type { StartNode } from "../../src/server/running-node.ts";

const startNode: StartNode = async (configuration) => {
  const { nodeId, peerAddress, members = new Map([[nodeId, peerAddress]]) } = configuration;
  if (process.env["FAKE_REFUSE"] === nodeId) throw new StartError("change the moon first.");
  if (process.env["FAKE_CRASH"] === nodeId) process.exit(3);
  const [leader = nodeId] = members.keys();
  const role = nodeId === leader ? "leader" : "follower";
  const server = Bun.serve({
    hostname: configuration.listen.host,
    port: configuration.listen.port,
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/healthz") return Response.json({ status: "ok" });
      if (pathname === "/pid") return Response.json({ pid: process.pid, parent: process.ppid });
      return Response.json({
        status: "online",
        message: "a fake",
        node_id: nodeId,
        role,
        raft_state: role,
        leader,
        current_leader: leader,
        term: 1,
        version: "0",
        port: configuration.listen.port,
        peers: [...members.keys()].filter((id) => id !== nodeId),
        peers_count: members.size - 1,
      });
    },
  });
  return {
    address: { host: configuration.listen.host, port: server.port ?? 0 },
    peerAddress: configuration.peerListen,
    stop: async () => server.stop(true),
    failed: new Promise<Error>(() => {}),
  };
};

process.stdout.on("error", () => {});
const code = await runCli(process.argv.slice(2), {
  process: { stdout: process.stdout, stderr: process.stderr },
  environment: process.env,
  selfCommand: [process.execPath, Bun.main],
  startNode,
  signals: {
    subscribe(listener) {
      process.on("SIGINT", listener);
      process.on("SIGTERM", listener);
      return () => {};
    },
  },
  hasTerminal: false,
  signalGroup() {},
  ignores: () => false,
  async endOfInput() {
    for await (const _chunk of Bun.stdin.stream());
  },
  input: () => Bun.stdin.stream(),
  inputBytes: undefined,
  outputTaken: () => Promise.resolve(true),
});
process.exit(code);
