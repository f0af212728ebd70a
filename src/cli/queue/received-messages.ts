import { elementSlices, memberSlice } from "../../kernel/json-slices.ts";

/** A delivery as a command prints it. */
export interface ReceivedMessage {
  readonly id: string;
  readonly attempt: number;
  readonly ackToken: string;
  /** Its JSON as it was published, on one line. */
  readonly data: string;
  /** All that the node says of it, on one line. */
  readonly line: string;
}

/** @param reply of `queues.receiveBatch`, valid */
export function receivedMessages(reply: string): ReceivedMessage[] {
  return shownMessages(reply).map(({ data, line }) => {
    const { id, attempt, ack_token: ackToken } = JSON.parse(line) as { id: string; attempt: number; ack_token: string };
    return { id, attempt, ackToken, data, line };
  });
}

/** The elements of `messages`, each with its `data`, as they came. */
export function shownMessages(reply: string): { readonly data: string; readonly line: string }[] {
  const messages = memberSlice(new TextEncoder().encode(reply), "messages");
  return (messages === undefined ? [] : elementSlices(messages)).map((own) => {
    const data = memberSlice(own, "data");
    return { data: data === undefined ? "" : lineOf(data), line: lineOf(own) };
  });
}

/** Between the values of a document line ends are space; inside a text of JSON there are none. */
function lineOf(json: Uint8Array): string {
  return new TextDecoder().decode(json).replaceAll(/[\r\n]+/g, " ");
}
