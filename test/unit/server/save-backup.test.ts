import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { saveBackup } from "../../../src/server/succession/save-backup.ts";
import { backupFile } from "../../support/backup-file.ts";

const folder = mkdtempSync(join(tmpdir(), "mufakat-save-"));
const file = join(folder, "backup");
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
});

const whole = backupFile([Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251)]);

/** A node that answers with these bytes, and then ends the connection or leaves it open. */
async function node(body: Uint8Array, { status = 200, ends = true, says = body.length } = {}): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write(`HTTP/1.1 ${status} X\r\nContent-Length: ${says}\r\n\r\n`);
      if (ends) socket.end(body);
      else socket.write(body);
    });
  });
  servers.push(server);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
}

async function save(url: string, replaces = false) {
  return saveBackup({ url, file, replaces, silenceMs: 300 }, () => {});
}

async function refusal(work: Promise<unknown>): Promise<Error> {
  const error: unknown = await work.then(
    () => new Error("it was not refused"),
    (caught: unknown) => caught,
  );
  return error as Error;
}

describe("saving a backup", () => {
  test("gives the file its name when all of it is on the disk and right, readable by its owner alone", async () => {
    const saved = await save(await node(whole));
    expect(saved).toMatchObject({ bytes: whole.length, head: { clusterName: "orders" }, snapshot: { index: 1_000 } });
    expect(readdirSync(folder)).toEqual(["backup"]);
    expect(readFileSync(file).equals(whole)).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("leaves nothing of what is damaged, cut short, or no backup", async () => {
    const damaged = whole.slice();
    damaged[100_000] = 255 - (damaged[100_000] ?? 0);
    expect(await refusal(save(await node(damaged)))).toMatchObject({ code: "damaged_backup" });
    const cut = await refusal(save(await node(whole.subarray(0, 200_000))));
    expect(cut).toMatchObject({ code: "damaged_backup", message: expect.stringContaining("cut short") });
    const broken = await refusal(save(await node(whole.subarray(0, 200_000), { says: whole.length })));
    expect(["BackupError", "NoBackupError"]).toContain(broken.name);
    expect(await refusal(save(await node(new TextEncoder().encode("<html>who are you?</html>"))))).toMatchObject({
      code: "not_a_backup",
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("gives up on a node that says nothing any more, or is not there", async () => {
    const silent = await refusal(save(await node(whole.subarray(0, 100), { ends: false, says: whole.length })));
    expect([silent.name, silent.message]).toEqual(["NoBackupError", expect.stringContaining("nothing came for 0.3 s")]);
    expect((await refusal(save("http://127.0.0.1:1"))).name).toBe("NoBackupError");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("passes on what the node says when it refuses", async () => {
    const body = new TextEncoder().encode('{"error":{"code":"backup_under_way","message":"Wait."}}');
    const error = await refusal(save(await node(body, { status: 409 })));
    expect(error).toMatchObject({ answer: { status: 409, body: { error: { code: "backup_under_way" } } } });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("replaces another file only when it is told to, and only with a whole one", async () => {
    writeFileSync(file, "older");
    expect((await refusal(save(await node(whole)))).message).toContain("exists: choose another name");
    await refusal(save(await node(whole.subarray(0, 99)), true));
    expect(readFileSync(file, "utf8")).toBe("older");
    await save(await node(whole), true);
    expect(readFileSync(file).length).toBe(whole.length);
  });

  test("says that the place cannot be written", async () => {
    const options = { url: await node(whole), file: join(folder, "no", "such", "folder"), replaces: false };
    expect((await refusal(saveBackup(options, () => {}))).message).toContain("cannot be written (ENOENT)");
  });
});
