/** Planted: every read is answered from the node's own state, whoever leads (PROTOCOLS R4). */
import { ReadBarriers } from "../../../src/engine/read-barriers.ts";
import { patch } from "../../faults/patch.ts";

const OF_WHAT_IS_HERE = 1;

patch(ReadBarriers.prototype, ReadBarriers.prototype.add, () => (_nowMs, done) => done(OF_WHAT_IS_HERE)).apply();
