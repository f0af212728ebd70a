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
    this.socket?.write(`${method} ${path} HTTP/1.1\r\nHost: ${this.host}\r\n${length}\r\n${body}`);
    return promise;
  }

  /** At once, also when the other side is stopped; a request that waits for its reply fails. */
  close(): void {
    this.onClose();
    this.socket?.terminate();
  }

  private onData(bytes: Buffer): void {
    this.received += bytes.toString("latin1");
    const headEnd = this.received.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const head = this.received.slice(0, headEnd);
    const length = /content-length: *(\d+)/i.exec(head)?.[1];
    const bodyStart = headEnd + 4;
    const bodyEnd = bodyStart + Number(length ?? 0);
    if (this.received.length < bodyEnd) return;
    const reply = { status: Number(head.slice(9, 12)), body: this.received.slice(bodyStart, bodyEnd) };
    this.received = this.received.slice(bodyEnd);
    const { waiting } = this;
    this.waiting = undefined;
    if (length === undefined) waiting?.reject(new Error("a reply without Content-Length"));
    else waiting?.resolve(reply);
  }

  private onClose(): void {
    this.closed = true;
    this.waiting?.reject(new Error("connection closed"));
    this.waiting = undefined;
  }
}
