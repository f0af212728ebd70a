import { connect } from "node:net";

/**
 * Many clients that wait for one lock, each with a connection of its own: a process of its own, because connections are
 * bounded by the descriptors of a process. Arguments: lock, number of the process, number of clients, clients that come a second, seconds to
 * wait, then HOST:PORT of each node. Runs until it is killed; a line for each wait that ended.
 */
const [lock = "", processNumber = "0", count = "0", perSecond = "1000", seconds = "60", ...nodes] =
  process.argv.slice(2);
const INTERVAL_MS = 10;
/** Loopback addresses to come from: of one alone the system would run out of ports, and before that it searches long for a free one. */
const SOURCES = 4;

function wait(number: number): void {
  const node = nodes[number % nodes.length] ?? "";
  const at = node.lastIndexOf(":");
  const localAddress = `127.0.${Number(processNumber) + 1}.${(number % SOURCES) + 1}`;
  const socket = connect({ host: node.slice(0, at), port: Number(node.slice(at + 1)), localAddress });
  socket.on("connect", () => {
    const path = `/lock/${lock}?owner=waiter-${processNumber}-${number}&ttl=60&timeout=${seconds}`;
    socket.write(`POST ${path} HTTP/1.1\r\nHost: ${node}\r\nContent-Length: 0\r\n\r\n`);
  });
  socket.on("data", (bytes: Buffer) => console.log(bytes.toString("latin1").split("\r\n", 1)[0]));
  socket.on("error", (error) => console.log(error.message));
}

let come = 0;
const begun = performance.now();
const timer = setInterval(() => {
  const due = Math.min(Number(count), ((performance.now() - begun) / 1000) * Number(perSecond));
  while (come < due) wait(come++);
  if (come >= Number(count)) clearInterval(timer);
}, INTERVAL_MS);
