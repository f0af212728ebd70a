import packageJson from "../../package.json" with { type: "json" };

/** Set by `deploy/build.ts`; absent when the sources run as they are. */
declare const MUFAKAT_COMMIT: string;

/** The version of this program. */
export const version: string = packageJson.version;

/** The commit that the executable was built from. */
export const commit: string | undefined =
  typeof MUFAKAT_COMMIT === "string" && MUFAKAT_COMMIT !== "" ? MUFAKAT_COMMIT : undefined;
