import { HttpConnection, type HttpReply } from "../http-connection.ts";
import { bodyOf, type QueueLoad, queueOf, type Shape } from "./contender.ts";

/** How long a receive waits for its first message, in s. */
const WAIT_SECONDS = 5;
/** So many receives in a row that got nothing: what was confirmed is lost. */
const MAX_EMPTY = 4;

export interface HttpTarget {
  readonly host: string;
  readonly port: number;
}

/** What a client may take at once, and how it is asked for. */
interface Door {
  publish(connection: HttpConnection): Promise<void>;
  /** @returns tokens to ack with */
  receive(connection: HttpConnection, max: number): Promise<string[]>;
  ack(connection: HttpConnection, tokens: readonly string[]): Promise<void>;
}

/**
 * Clients of the HTTP routes of a queue, ours or another behind the same ones: a connection each, spread over the targets. A
 * batch of one goes by the routes for one message.
 */
export async function openHttpLoad(targets: readonly HttpTarget[], shape: Shape): Promise<QueueLoad> {
  const open = (client: number): Promise<HttpConnection> => {
    const target = targets[client % targets.length];
    if (target === undefined) throw new Error("no target");
    return HttpConnection.open(target.host, target.port);
  };
  const connections = await Promise.all(Array.from({ length: shape.outstanding }, (_, client) => open(client)));
  const doors = connections.map((_, client) =>
    shape.batch === 1 ? singleDoor(queueOf(client, shape), shape) : batchDoor(queueOf(client, shape), shape),
  );
  return {
    async pass(client) {
      const connection = connections[client];
      const door = doors[client];
      if (connection !== undefined && door !== undefined) await publishAndTake(connection, door, shape.batch);
    },
    async close() {
      for (const connection of connections) connection.close();
    },
  };
}

async function publishAndTake(connection: HttpConnection, door: Door, batch: number): Promise<void> {
  await door.publish(connection);
  let empty = 0;
  for (let left = batch; left > 0;) {
    const tokens = await door.receive(connection, left);
    empty = tokens.length === 0 ? empty + 1 : 0;
    if (empty === MAX_EMPTY) throw new Error(`${left} messages that were confirmed do not come`);
    if (tokens.length > 0) await door.ack(connection, tokens);
    left -= tokens.length;
  }
}

function singleDoor(queue: string, shape: Shape): Door {
  const body = bodyOf(shape.bodyBytes);
  return {
    async publish(connection) {
      await ask(connection, "POST", `/queue/${queue}?echo=0`, body);
    },
    async receive(connection) {
      const { ack_token: token } = await ask<{ ack_token?: string }>(
        connection,
        "GET",
        `/queue/${queue}?wait=${WAIT_SECONDS}`,
      );
      return token === undefined ? [] : [token];
    },
    async ack(connection, [token]) {
      await ackWith(connection, { ack_token: token });
    },
  };
}

function batchDoor(queue: string, shape: Shape): Door {
  const message = `{"data":${bodyOf(shape.bodyBytes)}}`;
  const batch = `{"messages":[${Array.from({ length: shape.batch }, () => message).join(",")}]}`;
  return {
    async publish(connection) {
      await ask(connection, "POST", `/queue/${queue}/batch`, batch);
    },
    async receive(connection, max) {
      const { messages } = await ask<{ messages: readonly { ack_token: string }[] }>(
        connection,
        "POST",
        `/queue/${queue}/receive`,
        JSON.stringify({ max, wait: WAIT_SECONDS }),
      );
      return messages.map((taken) => taken.ack_token);
    },
    async ack(connection, tokens) {
      await ackWith(connection, { ack_tokens: tokens });
    },
  };
}

/** @throws also where some of several were not acknowledged, although the reply is a 200 */
async function ackWith(connection: HttpConnection, input: object): Promise<void> {
  const { status } = await ask<{ status?: string }>(connection, "POST", "/queue/ack", JSON.stringify(input));
  if (status !== "acknowledged") throw new Error(`not all were acknowledged: ${status}`);
}

async function ask<Reply>(connection: HttpConnection, method: string, path: string, body = ""): Promise<Reply> {
  const reply: HttpReply = await connection.request(method, path, body);
  if (reply.status !== 200) throw new HttpRefusal(`${method} ${path}: ${reply.status} ${reply.body}`, reply.status);
  return JSON.parse(reply.body) as Reply;
}

export class HttpRefusal extends Error {
  override name = "HttpRefusal";

  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}
