import { describe, expect, test } from "bun:test";
import { nodeConfiguration, quorum, type NodeFlags } from "../../../src/cli/configuration/node-configuration.ts";
import { StartError } from "../../../src/kernel/start-error.ts";

const three = "node1=127.0.0.1:9001,node2=127.0.0.1:9002,node3=127.0.0.1:9003";

function configure(flags: NodeFlags = {}, environment: Record<string, string> = {}) {
  return nodeConfiguration(flags, environment).configuration;
}

function refusal(flags: NodeFlags, environment: Record<string, string> = {}): string {
  try {
    nodeConfiguration(flags, environment);
  } catch (error) {
    if (error instanceof StartError) return error.message;
    throw error;
  }
  return "(not refused)";
}

describe("a node's configuration", () => {
  test("without any setting is one node on loopback", () => {
    expect(configure()).toEqual({
      nodeId: "node1",
      clusterName: undefined,
      listen: { host: "127.0.0.1", port: 8001 },
      peerListen: { host: "127.0.0.1", port: 9001 },
      advertise: { host: "127.0.0.1", port: 8001 },
      peerAddress: { host: "127.0.0.1", port: 9001 },
      members: undefined,
      dataDirectory: ".mufakat/node1",
      insecure: false,
      heartbeatIntervalMs: 50,
      electionTimeoutMs: 300,
    });
  });

  test("comes from flags", () => {
    const made = configure({
      id: "node2",
      listen: "[::1]:8102",
      peerListen: "127.0.0.1:9002",
      advertise: "locks.example:80",
      peers: three,
      cluster: "shop",
      data: "elsewhere",
      heartbeatMs: "20",
      electionTimeoutMs: "100",
    });
    expect(made.listen).toEqual({ host: "::1", port: 8102 });
    expect(made.advertise).toEqual({ host: "locks.example", port: 80 });
    expect([...(made.members?.keys() ?? [])]).toEqual(["node1", "node2", "node3"]);
    expect(made).toMatchObject({ nodeId: "node2", clusterName: "shop", dataDirectory: "elsewhere" });
    expect(made).toMatchObject({ heartbeatIntervalMs: 20, electionTimeoutMs: 100 });
  });

  test("comes from MUFAKAT_ variables", () => {
    const made = configure(
      {},
      {
        MUFAKAT_ID: "node3",
        MUFAKAT_LISTEN: "0.0.0.0:8003",
        MUFAKAT_PEERS: "node1=a:9001,node2=b:9002,node3=c:9003",
        MUFAKAT_INSECURE: "true",
        MUFAKAT_ELECTION_TIMEOUT_MS: "500",
      },
    );
    expect(made).toMatchObject({ nodeId: "node3", insecure: true, electionTimeoutMs: 500 });
    expect(made.peerListen).toEqual({ host: "0.0.0.0", port: 9003 });
    expect(made.advertise).toEqual({ host: "c", port: 8003 });
    expect(made.dataDirectory).toBe(".mufakat/node3");
  });

  test("takes a flag over a variable, and that over the older system's name", () => {
    const older = { NODE_ID: "node3", PORT: "8003" };
    const newer = { ...older, MUFAKAT_ID: "node2", MUFAKAT_LISTEN: "127.0.0.1:8002" };
    expect(configure({}, older)).toMatchObject({ nodeId: "node3", listen: { host: "127.0.0.1", port: 8003 } });
    expect(configure({}, newer)).toMatchObject({ nodeId: "node2", listen: { host: "127.0.0.1", port: 8002 } });
    expect(configure({ id: "node1", listen: "127.0.0.1:8001" }, newer)).toMatchObject({ nodeId: "node1" });
  });

  test("takes an empty variable for one that is not set", () => {
    expect(configure({}, { MUFAKAT_ID: "", PORT: "" })).toMatchObject({ nodeId: "node1", listen: { port: 8001 } });
  });

  test("keeps port 0 for the system to choose", () => {
    expect(configure({ listen: "127.0.0.1:0" })).toMatchObject({ listen: { port: 0 }, peerListen: { port: 0 } });
  });

  test("derives peer ports from the older system's list of client URLs", () => {
    const urls = "http://localhost:8001, http://localhost:8002/,localhost:8003";
    const made = configure({}, { NODE_ID: "node2", PORT: "8002", ALL_NODES: urls });
    expect([...(made.members ?? [])]).toEqual([
      ["node1", { host: "localhost", port: 9001 }],
      ["node2", { host: "localhost", port: 9002 }],
      ["node3", { host: "localhost", port: 9003 }],
    ]);
  });

  test("calls the older system's nodes by their hosts where this node's id is one", () => {
    const urls = "http://alpha:8000,http://beta:8000,http://gamma:8000";
    const environment = { NODE_ID: "beta", ALL_NODES: urls, MUFAKAT_LISTEN: "0.0.0.0:8000", MUFAKAT_INSECURE: "1" };
    expect([...(configure({}, environment).members?.keys() ?? [])]).toEqual(["alpha", "beta", "gamma"]);
  });

  test("needs a majority", () => {
    expect([1, 2, 3, 4, 5, 6, 7].map(quorum)).toEqual([1, 2, 2, 3, 3, 4, 4]);
  });
});

describe("a notice", () => {
  const said = (flags: NodeFlags, environment: Record<string, string> = {}) =>
    nodeConfiguration(flags, environment).notices.join("\n");

  test("is not given without a reason", () => {
    expect(said({ peers: three })).toBe("");
  });

  test("warns of an even number of nodes", () => {
    expect(said({ peers: "node1=127.0.0.1:9001,node2=127.0.0.1:9002" })).toContain("an odd number is better");
  });

  test("says once that Redis has no meaning yet", () => {
    const notices = nodeConfiguration({}, { REDIS_HOST: "x", REDIS_PORT: "1" }).notices;
    expect(notices).toHaveLength(1);
    expect(notices[0]).toContain("no meaning yet");
  });

  test("names a variable that is no setting", () => {
    expect(said({}, { MUFAKAT_PEER: "x" })).toContain("MUFAKAT_PEER is not a setting");
  });

  test("warns when the others are told an address that this node does not listen on", () => {
    const peers = "node1=alpha:9001,node2=beta:9001,node3=gamma:9001";
    expect(said({ peers, insecure: true })).toContain("listens for them on loopback");
  });
});

describe("a start is refused for", () => {
  const cases: readonly [what: string, flags: NodeFlags, sentence: string | RegExp][] = [
    ["an address without a port", { listen: "127.0.0.1" }, "--listen must be HOST:PORT"],
    ["an IPv6 address without brackets", { listen: "::1:8001" }, "--listen must be HOST:PORT"],
    ["a port beyond 65535", { listen: "127.0.0.1:65536" }, "--listen must hold a port from 0 to 65535"],
    ["a client port that leaves no peer port", { listen: "127.0.0.1:65000" }, "choose a port up to 64535"],
    ["a client address beyond loopback", { listen: "0.0.0.0:8001" }, /^--listen opens 0\.0\.0\.0:8001 to .*--insecure/],
    ["a peer address beyond loopback", { peerListen: "10.1.2.3:9001" }, /^--peer-listen opens 10\.1\.2\.3:9001 to/],
    ["a peer on another machine", { peers: "node1=127.0.0.1:9001,node2=b:9002,node3=c:9003" }, "--peers has node2"],
    ["an address to advertise that nobody can dial", { advertise: "0.0.0.0:8001" }, "--advertise must be an address"],
    ["an id listed twice", { peers: `${three},node2=127.0.0.1:9004` }, "--peers lists node2 twice"],
    ["an address listed twice", { peers: `${three},node4=127.0.0.1:9002` }, "node2 and node4 the same address"],
    ["an own id that is not listed", { id: "node9", peers: three }, "does not list this node node9"],
    ["an entry without an id", { peers: "127.0.0.1:9001" }, "--peers must list ID=HOST:PEERPORT"],
    ["a list of nothing", { peers: " , " }, "--peers lists no node"],
    ["a peer that nobody can dial", { peers: "node1=0.0.0.0:9001" }, "which nobody can dial"],
    ["an own peer port that nobody listens on", { peers: "node1=127.0.0.1:7001" }, "give --peer-listen 127.0.0.1:7001"],
    ["an id of odd characters", { id: "a/b" }, "--id must name it"],
    ["an empty cluster name", { cluster: "" }, "--cluster must name it"],
    ["a directory without a path", { data: "" }, "--data must be the path of a directory"],
    ["an id that is too long", { id: "a".repeat(65) }, "--id must name it"],
    ["a heartbeat that is no number", { heartbeatMs: "fast" }, "--heartbeat-ms must be a whole number from 5 to"],
    ["a negative heartbeat", { heartbeatMs: "-5" }, "--heartbeat-ms must be a whole number"],
    ["elections within three heartbeats", { heartbeatMs: "200", electionTimeoutMs: "300" }, "set it to 600 or more"],
  ];

  test.each(cases)("%s", (_what, flags, sentence) => {
    const said = refusal(flags);
    expect(said).toMatch(sentence);
    expect(said).toEndWith(".");
    expect(said).not.toContain("\n");
  });

  test("more nodes than a cluster may have", () => {
    const peers = Array.from({ length: 8 }, (_, index) => `node${index + 1}=127.0.0.1:${9001 + index}`).join(",");
    expect(refusal({ peers })).toContain("lists 8 nodes: a cluster has at most 7");
  });

  test("a variable, by its own name", () => {
    expect(refusal({}, { MUFAKAT_LISTEN: "x" })).toStartWith("MUFAKAT_LISTEN must be");
    expect(refusal({}, { MUFAKAT_INSECURE: "maybe" })).toStartWith("MUFAKAT_INSECURE must be true or false");
    expect(refusal({}, { PORT: "http" })).toStartWith("PORT must hold a port");
    expect(refusal({}, { NODE_ID: "node9", ALL_NODES: "http://localhost:8001" })).toStartWith(
      "ALL_NODES does not list",
    );
  });
});

describe("beyond loopback", () => {
  test("goes with --insecure", () => {
    const peers = "node1=10.0.0.1:9001,node2=10.0.0.2:9001,node3=10.0.0.3:9001";
    const made = configure({ listen: "0.0.0.0:8001", peers, insecure: true });
    expect(made).toMatchObject({ insecure: true, peerListen: { host: "0.0.0.0", port: 9001 } });
    expect(made.advertise).toEqual({ host: "10.0.0.1", port: 8001 });
  });

  test.each(["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"])("is not %s", (listen) => {
    expect(configure({ listen }).insecure).toBe(false);
  });

  test.each(["0.0.0.0:1", "[::]:1", "128.0.0.1:1", "localhost.example:1", "1270.0.1:1"])("is %s", (listen) => {
    expect(refusal({ listen })).toContain("--insecure");
  });
});
