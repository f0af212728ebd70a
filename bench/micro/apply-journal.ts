import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bench, run } from "mitata";
import { ApplyJournalFile } from "../../src/io/apply-journal-file.ts";

/** What it costs to leave word of what is being applied: twice a turn that applies something, in the page cache. */
const directory = mkdtempSync(join(tmpdir(), "mufakat-bench-"));
const journal = new ApplyJournalFile(directory, { program: "bench", onError: console.error });
let index = 0;

bench("mark a batch and take the mark away", () => {
  journal.begin(0, index + 1, index + 64);
  index += 64;
  journal.end();
});

await run();
journal.close();
rmSync(directory, { recursive: true });
