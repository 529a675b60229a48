/** A program of the toy stages, to be run as a process in its project's folder. */
import { main } from "../../../../packages/pipeline/cli.ts";
import { toyApp } from "./app.ts";

Deno.exit(await main(Deno.args, toyApp(Deno.cwd())));
