/** How hard the queues are driven. */
export interface Shape {
  /** Batches under way at once, each of a client of its own. */
  readonly outstanding: number;
  /** Messages in one batch. */
  readonly batch: number;
  /** Of one message, in bytes of JSON. */
  readonly bodyBytes: number;
  /** So many of them, with the clients spread over all. */
  readonly queues: number;
}

export type QueueRow =
  | "mufakat"
  | "BullMQ, always"
  | "BullMQ, everysec"
  | "BullMQ over HTTP, always"
  | "BullMQ over HTTP, everysec"
  | "NATS JetStream";

/** The clients of one run. */
export interface QueueLoad {
  /**
   * Publishes a batch, waits until it is confirmed, then takes as many messages out of the same queue, whichever they are, and
   * acks them: so queues stay short, nobody waits for a message that is not there, and what was lost ends the run.
   *
   * @param client 0…`outstanding`−1, each with one pass at a time
   */
  pass(client: number): Promise<void>;
  close(): Promise<void>;
}

/** A system that keeps queues, all set up, driven the way that its users drive it. */
export interface QueueContender extends AsyncDisposable {
  readonly row: QueueRow;
  /** Every queue is empty before, and after {@link QueueLoad.close}. */
  open(shape: Shape): Promise<QueueLoad>;
}

/** The name of the queue of a client. */
export function queueOf(client: number, { queues }: Shape): string {
  return `bench-${client % queues}`;
}

export function queueNames({ queues, outstanding }: Shape): string[] {
  return Array.from({ length: Math.min(queues, outstanding) }, (_, index) => `bench-${index}`);
}

/** A JSON object of exactly so many bytes, ASCII. */
export function bodyOf(bytes: number): string {
  const empty = '{"order_id":123,"note":""}';
  if (bytes < empty.length) throw new RangeError(`a body has at least ${empty.length} bytes`);
  return `{"order_id":123,"note":"${"x".repeat(bytes - empty.length)}"}`;
}
