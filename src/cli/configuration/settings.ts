import { StartError } from "../../kernel/start-error.ts";
import type { Environment } from "../context.ts";

/** A setting as the person wrote it, and where. */
export interface Setting {
  readonly text: string;
  /** For errors: `--listen` or `MUFAKAT_LISTEN`. */
  readonly source: string;
}

/** Looks a setting up: the flag, then `MUFAKAT_…`, then the older system's name. An empty variable counts as unset. */
export class Settings {
  constructor(
    private readonly flags: Readonly<Record<string, string | boolean | undefined>>,
    private readonly environment: Environment,
  ) {}

  /** @param flag in camelCase, as in the flags object */
  find(flag: string, alias?: string): Setting | undefined {
    const given = this.flags[flag];
    if (given !== undefined) return { text: String(given), source: `--${kebabCase(flag)}` };
    return this.findVariable(variableName(flag)) ?? (alias === undefined ? undefined : this.findVariable(alias));
  }

  /** @throws {StartError} */
  integer(flag: string, bounds: { minimum: number; maximum: number; default: number }): number {
    const setting = this.find(flag);
    if (setting === undefined) return bounds.default;
    const value = /^\d+$/.test(setting.text) ? Number(setting.text) : Number.NaN;
    if (value >= bounds.minimum && value <= bounds.maximum) return value;
    const range = `a whole number from ${bounds.minimum} to ${bounds.maximum}`;
    throw new StartError(`${setting.source} must be ${range}, not "${setting.text}".`);
  }

  /** @throws {StartError} */
  choice<T extends string>(flag: string, choices: readonly T[]): T | undefined {
    const setting = this.find(flag);
    if (setting === undefined) return undefined;
    const chosen = choices.find((choice) => choice === setting.text);
    if (chosen !== undefined) return chosen;
    throw new StartError(`${setting.source} must be one of ${choices.join(", ")}, not "${setting.text}".`);
  }

  /** @throws {StartError} */
  switch(flag: string): boolean {
    const setting = this.find(flag);
    if (setting === undefined) return false;
    const text = setting.text.toLowerCase();
    if (["true", "1", "yes", "on"].includes(text)) return true;
    if (["false", "0", "no", "off"].includes(text)) return false;
    throw new StartError(`${setting.source} must be true or false, not "${setting.text}".`);
  }

  private findVariable(name: string): Setting | undefined {
    const text = this.environment[name];
    return text === undefined || text === "" ? undefined : { text, source: name };
  }
}

/** `peerListen` → `MUFAKAT_PEER_LISTEN`. */
export function variableName(flag: string): string {
  return `MUFAKAT_${kebabCase(flag).replaceAll("-", "_").toUpperCase()}`;
}

/** `peerListen` → `peer-listen`. */
export function kebabCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
