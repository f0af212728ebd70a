import { AckPolicy, type JsMsg, jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { eventually } from "../../../test/support/eventually.ts";
import { BenchCluster } from "../clusters/bench-cluster.ts";
import type { Place } from "../clusters/system.ts";
import { bodyOf, type QueueContender, type QueueLoad, queueNames, queueOf, type Shape } from "./contender.ts";
import { Credits } from "./credits.ts";
import { NatsSystem } from "./nats-system.ts";

const NODES = 3;
const CONSUMER = "workers";
/** Messages that may be out at once: more than any shape has. Its own default of 1,000 would be measured instead. */
const MAX_OUT = 100_000;

/**
 * JetStream the way its users have it: a work queue of three replicas in files, a connection to each node, published with
 * `publish`, which waits for the confirm of the stream, and taken by `consume`, to which messages are sent ahead. Alone of all
 * here it acks without a confirm: `ackAck`, which waits for one, took up to 40 % of the rate.
 */
export async function natsContender(program: string): Promise<QueueContender> {
  const cluster = await BenchCluster.start(new NatsSystem(program, NODES), NODES);
  const made = new Set<string>();
  return {
    row: "NATS JetStream",
    async open(shape) {
      const connections = await Promise.all(cluster.places.map(connectTo));
      const [first] = connections;
      for (const name of queueNames(shape)) {
        if (first !== undefined && !made.has(name)) await makeStream(first, name);
        made.add(name);
      }
      return openLoad(connections, shape);
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

function connectTo({ host, clientPort }: Place): Promise<NatsConnection> {
  return connect({ servers: `${host}:${clientPort}` });
}

async function makeStream(connection: NatsConnection, name: string): Promise<void> {
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name,
    subjects: [name],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    num_replicas: NODES,
  });
  await manager.consumers.add(name, {
    durable_name: CONSUMER,
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: MAX_OUT,
  });
  await eventually(async () => (await manager.consumers.info(name, CONSUMER)).cluster?.leader, {
    deadlineMs: 10_000,
    what: () => `a leader of the consumer of ${name}`,
  });
}

async function openLoad(connections: readonly NatsConnection[], shape: Shape): Promise<QueueLoad> {
  const streams = connections.map((connection) => jetstream(connection));
  const credits = new Map(queueNames(shape).map((name) => [name, new Credits()]));
  const ahead = Math.max(100, Math.ceil((shape.outstanding * shape.batch) / (credits.size * streams.length)));
  const consumes = await Promise.all(
    [...credits].flatMap(([name, taken]) =>
      streams.map(async (stream) => {
        const consumer = await stream.consumers.get(name, CONSUMER);
        const callback = (message: JsMsg): void => {
          message.ack();
          taken.give();
        };
        return consumer.consume({ max_messages: ahead, callback });
      }),
    ),
  );
  const body = new TextEncoder().encode(bodyOf(shape.bodyBytes));
  return {
    async pass(client) {
      const name = queueOf(client, shape);
      const stream = streams[client % streams.length];
      if (stream === undefined) throw new Error("no connection");
      await Promise.all(Array.from({ length: shape.batch }, () => stream.publish(name, body)));
      await credits.get(name)?.take(shape.batch);
    },
    async close() {
      await Promise.all(consumes.map((consume) => consume.close()));
      await Promise.all(connections.map((connection) => connection.drain()));
    },
  };
}
