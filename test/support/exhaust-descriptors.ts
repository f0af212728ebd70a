/** Run with a low limit of descriptors: takes them all and goes on with a volume in the directory that is named. */
import { openSync } from "node:fs";
import { FileVolume } from "../../src/io/file-volume.ts";

const volume = new FileVolume(process.argv[2] ?? "");
const create = (name: string): Promise<void> =>
  new Promise((resolve, reject) => volume.create(name, 1000, (error) => (error ? reject(error) : resolve())));

await create("a");
takeAll();
const found: string[] = [];
for (const name of ["b", "c", "d", "e"]) {
  await create(name);
  takeAll();
  volume.write(name, 0, new TextEncoder().encode(name));
  volume.sync(name, (error) => {
    if (error !== undefined) throw error;
  });
}
volume.write("a", 0, new TextEncoder().encode("a"));
for (const name of ["a", "b", "c", "d", "e"]) found.push(new TextDecoder().decode(volume.read(name, 0, 1)));
console.log(found.join(" "));
process.exit(0);

function takeAll(): void {
  for (;;) {
    try {
      openSync("/dev/null", "r");
    } catch {
      return;
    }
  }
}
