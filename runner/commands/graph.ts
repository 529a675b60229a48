/** deno task graph. */
import { mermaid } from "../graph.ts";
import { planOf } from "../open.ts";
import { type Call, EXIT } from "../program.ts";

export default async function graph(call: Call): Promise<number> {
  call.reporter.line(mermaid(await planOf(call)));
  return EXIT.ok;
}
