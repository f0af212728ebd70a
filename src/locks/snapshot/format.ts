import type { SnapshotFormat } from "../../kernel/block-restoration.ts";

export const LOCK_SNAPSHOT: SnapshotFormat = { magic: "MUFLOCKS", format: 1, of: "the lock machine" };
