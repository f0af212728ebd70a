import { openDataDirectory } from "../../src/io/data-directory.ts";

// A process of its own that opens the data directory, says so, and keeps it until it is killed.
const [path = "", clusterName = "", nodeId = ""] = process.argv.slice(2);
const made = { clusterId: "c1", clusterName, nodeId };
const fresh = () => ({ ...made, replica: 1, membership: undefined, shards: 0 });
openDataDirectory(path, { ...made, fresh, identity: () => 1 });
// The lock must not depend on somebody keeping what was returned.
Bun.gc(true);
console.log("open");
setInterval(() => {}, 1000);
