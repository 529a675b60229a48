/**
 * Argument of a plugin's `export default (api) => ...`. An app adds its kinds and definitions. As a
 * program, such a module serves a third-party plugin.
 */
import * as api from "./plugin_api.ts";

export { z } from "zod";
export { define } from "./define.ts";
export { all, choice, defineKind, defineStage, pathParam, refuseUnused } from "./stage.ts";

/** Version of this interface, which a plugin names as `export const apiVersion`. */
export const apiVersion = 1;

// Not awaited: that module waits for this one.
if (import.meta.main) {
  void import("./plugin_process.ts").then(({ servePlugin }) => servePlugin(api));
}
