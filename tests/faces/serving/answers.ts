/** Responses of the server, validated with the schemas of the API. */
import assert from "node:assert/strict";
import * as z from "zod";
import { type Analysis, analysis, problem } from "../../../faces/serving/api.ts";

/** Returns the error of a response with a status. */
export async function problemOf(
  response: Response,
  status: number,
): Promise<{ code: string; message: string }> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
  return problem.parse(JSON.parse(text)).error;
}

/** Returns the analysis of a response, which holds nothing else. */
export async function analysisOf(response: Response): Promise<Analysis> {
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return z.strictObject(analysis.shape).parse(JSON.parse(text));
}
