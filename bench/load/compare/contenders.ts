import { MufakatSystem } from "../clusters/mufakat-system.ts";
import type { System } from "../clusters/system.ts";
import { EtcdSystem, type EtcdTimes } from "../peers/etcd-system.ts";
import type { Program } from "../../../test/support/process-cluster.ts";
import { ourVersion, versionOf } from "./versions.ts";
import etcd3 from "etcd3/package.json" with { type: "json" };
import ioredis from "ioredis/package.json" with { type: "json" };

export const OUR_TIMES: EtcdTimes = { heartbeatMs: 50, electionMs: 300 };

/** What takes part: ours always, a peer when its program is on the PATH. */
export class Contenders {
  private readonly etcdProgram = Bun.which("etcd");
  private readonly redisProgram = Bun.which("redis-server");
  readonly skipped: readonly string[];

  constructor(readonly program: Program) {
    const skipped: string[] = [];
    if (this.etcdProgram === null) skipped.push("etcd and etcd3: there is no `etcd` on the PATH (Debian: etcd-server)");
    if (this.redisProgram === null) skipped.push("Redis: there is no `redis-server` on the PATH");
    for (const line of skipped) console.log(`SKIPPED, ${line}`);
    this.skipped = skipped;
  }

  mufakat(): System {
    return new MufakatSystem(this.program);
  }

  /** Without times: at its own defaults, 100 ms and 1,000 ms. */
  etcd(name: string, times?: EtcdTimes): System | undefined {
    return this.etcdProgram === null ? undefined : new EtcdSystem(name, this.etcdProgram, times);
  }

  versions(): Record<string, string> {
    const versions: Record<string, string> = {
      mufakat: ourVersion(this.program),
      bun: Bun.version,
    };
    if (this.etcdProgram !== null) {
      versions["etcd"] = versionOf([this.etcdProgram, "--version"], /etcd Version: (\S+)/);
      versions["etcd3"] = etcd3.version;
    }
    if (this.redisProgram !== null) {
      versions["redis"] = versionOf([this.redisProgram, "--version"], /v=(\S+)/);
      versions["ioredis"] = ioredis.version;
    }
    return versions;
  }
}
