import type { HttpStatistics } from "./http-statistics.ts";
import type { Metrics } from "./metrics.ts";
import type { Run } from "./run.ts";

/** What the HTTP surface is made of. */
export interface ApplicationOptions {
  readonly run: Run;
  readonly metrics: Metrics;
  readonly statistics: HttpStatistics;
  readonly backups: {
    /** The bytes of one. @throws {ApiError} */
    open(signal: AbortSignal): Promise<ReadableStream<Uint8Array>>;
  };
  /** Names, without port, under which clients may reach this node beside IP literals and `localhost`. */
  readonly allowedHosts: readonly string[];
  /** Told of whatever was not expected; the client learns nothing of it. */
  readonly onInternalError: (error: unknown, route: string) => void;
}

/** `routes/` makes it and `main.ts` hands it in: the server knows no route. */
export type CreateApplication = (options: ApplicationOptions) => {
  fetch(request: Request, server: { timeout(request: Request, seconds: number): void }): Response | Promise<Response>;
};
