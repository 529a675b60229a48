/** Argument of a plugin's `export default (api) => ...`. An app adds its kinds and definitions. */
export { z } from "zod";
export { define, definedChoice } from "./define.ts";
export { all, defineKind, defineStage, pathParam, refuseUnused } from "./stage.ts";

/** Version of this interface, which a plugin names as `export const apiVersion`. */
export const apiVersion = 1;
