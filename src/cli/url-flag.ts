import { textFlag } from "./text-flag.ts";

/** `--url` of commands that ask one node. */
export const urlFlag = textFlag("Address of any node (default http://127.0.0.1:8001)", "URL");

/** `--url` of commands that ask the next node where one does not answer. */
export const urlsFlag = textFlag("Addresses of nodes, tried in turn (default http://127.0.0.1:8001)", "URL,URL…");
