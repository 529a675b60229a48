/** The API of plugins in this project, and the program that runs third-party plugins with it. */
import { servePlugin } from "../packages/pipeline/serve_plugin.ts";
import { stages } from "../stages/mod.ts";
import * as api from "./faces_api.ts";

export { api };

if (import.meta.main) await servePlugin(api, stages);
