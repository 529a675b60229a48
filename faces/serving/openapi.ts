/** OpenAPI description of the API, from all schemas that `api.ts` exports. */
import { z } from "zod";
import { capitalized, subjects } from "../evaluation/format_result.ts";
import * as api from "./api.ts";
import { MAX_FRAME_BYTES } from "./live.ts";
import { IMAGE_TYPES } from "./read_image.ts";

const FORBIDDEN = "The host or the origin is not allowed";
const NOT_READY = "The models are not open";
const dataUrl = { type: "string", examples: ["data:image/jpeg;base64,..."] };

export function openapi(
  { models, maxBodyBytes }: Pick<api.Service, "models" | "maxBodyBytes">,
): Record<string, unknown> {
  const predicted = subjects(models);
  const registry = z.registry<{ id: string }>();
  for (const [name, schema] of Object.entries(api)) {
    registry.add(schema, { id: name[0].toUpperCase() + name.slice(1) });
  }
  const { schemas: components } = z.toJSONSchema(registry, {
    uri: (id) => `#/components/schemas/${id}`,
  });
  for (const schema of Object.values(components)) {
    delete schema.$schema;
    delete schema.$id;
  }
  return {
    openapi: "3.1.0",
    info: {
      title: `${capitalized(predicted)} from a face`,
      version: "1",
      summary: `Detects the faces in an image and predicts ${predicted}.`,
      description: "Images are analyzed in memory and not stored. See /card for the accuracy of " +
        "the predictions and for their intended use.",
      license: { name: "MIT", identifier: "MIT" },
    },
    paths: {
      "/predict": {
        post: {
          operationId: "predict",
          summary: "Detect the faces in an image and predict",
          parameters: [{
            name: "crops",
            in: "query",
            description: "Returns each face as the networks receive it",
            schema: { type: "string", enum: ["true", "false"], default: "false" },
          }],
          requestBody: {
            required: true,
            description: `At most ${maxBodyBytes} bytes and 64 million pixels. The bytes decide ` +
              "the format, not the content type",
            content: {
              ...Object.fromEntries(IMAGE_TYPES.map((type) => [type, {}])),
              "multipart/form-data": form({ type: "string", contentMediaType: "image/*" }),
              "text/plain": { schema: dataUrl },
              "application/json": form(dataUrl, { additionalProperties: false }),
            },
          },
          responses: {
            200: response("The faces, highest score first; the list may be empty", "Analysis"),
            ...problems({
              400: "The body is not an image of an accepted format, or it is damaged or too large",
              403: FORBIDDEN,
              408: "The upload timed out",
              413: "The body is too large",
              415: "The body is not an image, and its type is not supported",
              429: "Too many images are waiting",
              500: "A fault of the server, which its log has",
              503: NOT_READY,
              504: "The analysis timed out",
            }),
          },
        },
      },
      "/live": get({
        operationId: "live",
        summary: "Open a live view: a WebSocket that receives frames and returns analyses",
        description: `Send binary messages of at most ${MAX_FRAME_BYTES} bytes: the frame's ` +
          "number in 4 bytes, unsigned, big-endian, then an image. Answers are JSON texts: an " +
          'Analysis with "frame", or a Problem with "frame". A newer frame replaces one that ' +
          "waits, which gets no answer: send the next frame after an answer.",
        responses: {
          101: { description: "The WebSocket is open" },
          ...problems({
            400: "The handshake is malformed",
            426: "The request is not a WebSocket handshake",
            429: "Too many live views are open",
            503: NOT_READY,
          }),
        },
      }),
      "/model": get({
        operationId: "model",
        summary: "Describe the models and their metrics",
        responses: { 200: response("Models and detectors", "Service") },
      }),
      "/health": get({
        operationId: "health",
        summary: "Check whether /predict can answer",
        responses: { 200: response("Ready", "Health"), 503: response(NOT_READY, "Health") },
      }),
      "/metrics": get({
        operationId: "metrics",
        summary: "Counters and histograms for Prometheus",
        responses: {
          200: { description: "Text exposition format", content: { "text/plain": {} } },
        },
      }),
    },
    components: { schemas: components },
  };
}

const get = (operation: Readonly<Record<string, unknown>> & { responses: object }) => ({
  get: { ...operation, responses: { ...operation.responses, ...problems({ 403: FORBIDDEN }) } },
});

function form(image: Record<string, unknown>, more: Record<string, unknown> = {}) {
  return { schema: { type: "object", properties: { image }, required: ["image"], ...more } };
}

function response(description: string, schema: Capitalize<keyof typeof api>) {
  const content = { schema: { $ref: `#/components/schemas/${schema}` } };
  return { description, content: { "application/json": content } };
}

function problems(descriptions: Readonly<Record<number, string>>) {
  const seconds = { description: "Seconds until a retry", schema: { type: "integer" } };
  return Object.fromEntries(
    Object.entries(descriptions).map(([status, description]) => {
      const headers = /429|503/.test(status) && { headers: { "Retry-After": seconds } };
      return [status, { ...response(description, "Problem"), ...headers }];
    }),
  );
}
