/** `npm run sim`: the simulator of a checkout, which can plant faults. */
import { runCli } from "../../src/cli/application.ts";
import { cliContext } from "../support/cli-context.ts";
import { simRoutes } from "./command.ts";

const { stdout, stderr } = process;
process.exitCode = await runCli(process.argv.slice(2), cliContext({ stdout, stderr }), simRoutes);
