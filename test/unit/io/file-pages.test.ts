import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { FilePages } from "../../../src/io/file-pages.ts";
import { Prng } from "../../../src/kernel/prng.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

function content(seed: number, length: number): Uint8Array {
  const random = new Prng(seed);
  return Uint8Array.from({ length }, () => random.int(256));
}

describe("pages in a file", () => {
  test("come back as they were, whatever comes and goes meanwhile", () => {
    using temporary = temporaryDirectory();
    const pages = new FilePages(join(temporary.path, "pages"));
    const random = new Prng(1);
    const known = new Map<number, Uint8Array>();
    for (let id = 1; id <= 400; id++) {
      const page = content(id, 1 + random.int(80_000));
      pages.put(id, page);
      known.set(id, page);
      const gone = random.int(id);
      if (random.chance(0.8) && known.delete(gone)) pages.delete(gone);
    }
    for (const [id, page] of known) expect(Buffer.compare(pages.get(id), page)).toBe(0);
    expect(() => pages.get(9_999)).toThrow("is not there");
    pages.close();
  });

  test("use the room again of those that went", () => {
    using temporary = temporaryDirectory();
    const pages = new FilePages(join(temporary.path, "pages"));
    const page = content(1, 50_000);
    for (let id = 1; id <= 100; id++) {
      pages.put(id, page);
      pages.delete(id - 3);
    }
    expect(pages.fileBytes).toBeLessThan(20 * 16 * 1024);
    pages.close();
  });

  test("leave no file, also when the process is killed", () => {
    using temporary = temporaryDirectory();
    const path = join(temporary.path, "pages");
    const pages = new FilePages(path);
    pages.put(1, content(1, 10));
    expect(existsSync(path)).toBe(false);
    pages.close();
  });

  test("stay in memory where the disk takes none", () => {
    using temporary = temporaryDirectory();
    const pages = new FilePages(join(temporary.path, "no such directory", "pages"));
    const page = content(7, 40_000);
    pages.put(1, page);
    expect([pages.keptCount, Buffer.compare(pages.get(1), page)]).toEqual([1, 0]);
    pages.delete(1);
    expect(pages.keptCount).toBe(0);
  });
});
