import type { TortureClient } from "../client.ts";

/** One kind of thing that clients do. A new one is a new file, and a line in kinds.ts. */
export interface WorkloadKind {
  readonly name: string;
  /** How often it is chosen, beside the others. */
  readonly weight: number;
  /** One round, from taking to giving back. Whatever is answered is for the judge to say something about. */
  round(client: TortureClient): Promise<void>;
}
