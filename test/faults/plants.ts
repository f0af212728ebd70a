import type { Plants } from "./plant.ts";
import { answerPlants } from "./plants/answers.ts";
import { configurationPlants } from "./plants/configurations.ts";
import { durabilityPlants } from "./plants/durability.ts";
import { electionPlants } from "./plants/elections.ts";
import { leaseTimePlants } from "./plants/lease-time.ts";
import { lockPlants } from "./plants/locks.ts";
import { memberPlants } from "./plants/members.ts";
import { queuePlants } from "./plants/queues.ts";
import { readPlants } from "./plants/reads.ts";
import { repairPlants } from "./plants/repair.ts";
import { replicaPlants } from "./plants/replicas.ts";
import { replicationPlants } from "./plants/replication.ts";
import { requestPlants } from "./plants/requests.ts";
import { snapshotPlants } from "./plants/snapshots.ts";

/** Every planted fault by name: each must be found, or the checks are not worth their time. */
export const plants: Plants = {
  ...durabilityPlants,
  ...repairPlants,
  ...electionPlants,
  ...replicationPlants,
  ...memberPlants,
  ...readPlants,
  ...replicaPlants,
  ...configurationPlants,
  ...leaseTimePlants,
  ...lockPlants,
  ...queuePlants,
  ...answerPlants,
  ...requestPlants,
  ...snapshotPlants,
};
