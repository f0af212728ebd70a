/**
 * Loaded before the program (`BUN_OPTIONS=--preload …`, the executable heeds it, too): its clocks go as the file
 * SKEWED_CLOCKS says, so that the program itself needs no switch for it. Timers stay those of the system.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { CLOCK_POLL_MS, type ClockSkew, NO_SKEW, SkewedClock } from "./skewed-clock.ts";

const path = process.env["SKEWED_CLOCKS"];
if (path !== undefined) {
  const monotonicMs = performance.now.bind(performance);
  const wallMs = Date.now.bind(Date);
  const clock = new SkewedClock(monotonicMs, wallMs);
  let known = "";
  const look = (): void => {
    const said = read(path);
    if (said === known) return;
    known = said;
    const skew: ClockSkew = said === "" ? NO_SKEW : (JSON.parse(said) as ClockSkew);
    clock.set(skew);
    // Whoever wrote it waits for this.
    writeFileSync(`${path}.${process.pid}.seen`, String(skew.change));
  };
  look();
  setInterval(look, CLOCK_POLL_MS).unref();
  performance.now = () => clock.monotonicMs();
  Date.now = () => clock.wallMs();
}

/** Empty where there is no such file. It is renamed into its place, so it is never seen half. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
