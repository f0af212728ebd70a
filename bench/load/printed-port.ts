/** The port that a process prints first. */
export async function printedPort(stream: ReadableStream<Uint8Array>): Promise<number> {
  for await (const chunk of stream) return Number(new TextDecoder().decode(chunk));
  throw new Error("a process ended without having printed its port");
}
