/** What the server answered, held against the API's description. */
import assert from "node:assert/strict";
import * as z from "zod";
import { type Analysis, analysis, problem } from "../../../faces/serving/api.ts";

/** The problem that an answer of this status tells. */
export async function told(
  response: Response,
  status: number,
): Promise<{ code: string; message: string }> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
  return problem.parse(JSON.parse(text)).error;
}

/** The analysis that an answer holds, and nothing besides. */
export async function analysed(response: Response): Promise<Analysis> {
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return z.strictObject(analysis.shape).parse(JSON.parse(text));
}
