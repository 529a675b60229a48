/** A peer's side of a bench: a line of JSON each way. */
import { TextLineStream } from "../packages/pipeline/text_line_stream.ts";

/** Obeys the orders on stdin one after the other; each gets a line on stdout, errors too. */
export async function servePeer<Order>(obey: (order: Order) => Promise<unknown>): Promise<void> {
  for await (const line of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
    const answer = await obey(JSON.parse(line)).catch((error) => ({ error: String(error) }));
    console.log(JSON.stringify(answer));
  }
}
