/** Planted: a leader takes for committed what it alone has. */
import { Followers } from "../../../src/raft/followers.ts";
import { patch } from "../../faults/patch.ts";

patch(Followers.prototype, Followers.prototype.reached, () => (own) => own).apply();
