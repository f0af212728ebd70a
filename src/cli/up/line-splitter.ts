/** A line longer than this is cut in two: a child that writes no line end must not fill our memory. */
const MAX_LINE_CHARACTERS = 64 * 1024;

/** Cuts a stream of text into lines, whatever pieces it comes in. */
export class LineSplitter {
  private rest = "";
  private readonly decoder = new TextDecoder();

  constructor(private readonly onLine: (line: string) => void) {}

  push(chunk: Uint8Array): void {
    this.rest += this.decoder.decode(chunk, { stream: true });
    const lines = this.rest.split("\n");
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.onLine(line);
    while (this.rest.length > MAX_LINE_CHARACTERS) {
      this.onLine(this.rest.slice(0, MAX_LINE_CHARACTERS));
      this.rest = this.rest.slice(MAX_LINE_CHARACTERS);
    }
  }

  /** A last line without its end. */
  finish(): void {
    if (this.rest !== "") this.onLine(this.rest);
    this.rest = "";
  }
}
