import type { Socket } from "bun";

/** What came back: enough to tell a grant from a refusal, and the body for whoever wants it. */
export interface HttpReply {
  readonly status: number;
  readonly body: string;
}

/**
 * One keep-alive connection with one request outstanding. By hand over TCP, because on two shared cores a heavy client
 * would measure itself: this one costs a few µs a request. Bodies are ASCII, and replies have a `Content-Length`.
 */
export class HttpConnection {
  private socket: Socket | undefined;
  private received = "";
  /** Characters of {@link received} that make up the reply; undefined until its head is there. */
  private expected: number | undefined;
  /** What the socket did not take yet: it keeps nothing itself. */
  private unsent = "";
  private waiting: { resolve(reply: HttpReply): void; reject(error: Error): void } | undefined;
  private closed = false;

  private constructor(private readonly host: string) {}

  static async open(hostname: string, port: number): Promise<HttpConnection> {
    const connection = new HttpConnection(`${hostname}:${port}`);
    connection.socket = await Bun.connect({
      hostname,
      port,
      socket: {
        data: (_socket, bytes) => connection.onData(bytes),
        drain: () => connection.send(),
        close: () => connection.onClose(),
        error: () => connection.onClose(),
      },
    });
    connection.socket.setNoDelay(true);
    return connection;
  }

  request(method: string, path: string, body = ""): Promise<HttpReply> {
    const { promise, resolve, reject } = Promise.withResolvers<HttpReply>();
    if (this.closed) {
      reject(new Error("connection closed"));
      return promise;
    }
    this.waiting = { resolve, reject };
    const length = method === "GET" ? "" : `Content-Length: ${body.length}\r\n`;
    this.unsent = `${method} ${path} HTTP/1.1\r\nHost: ${this.host}\r\n${length}\r\n${body}`;
    this.send();
    return promise;
  }

  /** At once, also when the other side is stopped; a request that waits for its reply fails. */
  close(): void {
    this.onClose();
    this.socket?.terminate();
  }

  private send(): void {
    if (this.unsent === "") return;
    const sent = this.socket?.write(this.unsent) ?? 0;
    this.unsent = this.unsent.slice(Math.max(sent, 0));
  }

  private onData(bytes: Buffer): void {
    this.received += bytes.toString("latin1");
    if (this.expected === undefined) this.readHead();
    const { expected, received, waiting } = this;
    if (expected === undefined || received.length < expected) return;
    const bodyStart = received.indexOf("\r\n\r\n") + 4;
    const reply = { status: Number(received.slice(9, 12)), body: received.slice(bodyStart, expected) };
    this.received = received.slice(expected);
    this.expected = undefined;
    this.waiting = undefined;
    waiting?.resolve(reply);
  }

  private readHead(): void {
    const end = this.received.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = /content-length: *(\d+)/i.exec(this.received.slice(0, end))?.[1];
    this.expected = end + 4 + Number(length ?? 0);
    if (length !== undefined) return;
    this.waiting?.reject(new Error("a reply without Content-Length"));
    this.waiting = undefined;
  }

  private onClose(): void {
    this.closed = true;
    this.waiting?.reject(new Error("connection closed"));
    this.waiting = undefined;
  }
}
