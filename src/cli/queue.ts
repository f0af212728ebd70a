import { buildRouteMap } from "@stricli/core";
import { pauseCommand, purgeCommand, redriveCommand, resumeCommand, settingsCommand } from "./queue/control.ts";
import { peekCommand, queueLsCommand, statsCommand } from "./queue/look.ts";
import { publishCommand } from "./queue/publish.ts";
import { receiveCommand } from "./queue/receive.ts";
import { scheduleLsCommand, scheduleRmCommand, scheduleSetCommand } from "./queue/schedules.ts";
import { ackCommand, extendCommand, nackCommand } from "./queue/settle.ts";

export const queueRoutes = buildRouteMap({
  routes: {
    publish: publishCommand,
    receive: receiveCommand,
    ack: ackCommand,
    nack: nackCommand,
    extend: extendCommand,
    peek: peekCommand,
    stats: statsCommand,
    ls: queueLsCommand,
    purge: purgeCommand,
    redrive: redriveCommand,
    settings: settingsCommand,
    pause: pauseCommand,
    resume: resumeCommand,
    schedule: buildRouteMap({
      routes: { set: scheduleSetCommand, ls: scheduleLsCommand, rm: scheduleRmCommand },
      docs: { brief: "Publish again and again" },
    }),
  },
  docs: { brief: "Publish, receive, look at and run queues" },
});
