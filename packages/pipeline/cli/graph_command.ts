/** deno task graph. */
import { mermaid } from "../plan.ts";
import { loadPlan } from "../run/create_context.ts";
import { type CommandContext, EXIT } from "../app.ts";

export default async function graph(call: CommandContext): Promise<number> {
  call.reporter.log(mermaid(await loadPlan(call)));
  return EXIT.ok;
}
