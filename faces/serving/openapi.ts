/** OpenAPI description of the API, from the schemas of its responses. */
import { z } from "zod";
import * as api from "./api.ts";
import { MAX_FRAME_BYTES } from "./live.ts";
import { IMAGE_TYPES } from "./read_image.ts";

const schemas = {
  Analysis: api.analysis,
  Box: api.box,
  ClassPrediction: api.classPrediction,
  Face: api.face,
  Health: api.health,
  Problem: api.problem,
  ServedModel: api.servedModel,
  Service: api.service,
  Timings: api.timings,
  ValuePrediction: api.valuePrediction,
  YearsPrediction: api.yearsPrediction,
};

const NOT_READY = "The models are not open";
const form = {
  type: "object",
  properties: { image: { type: "string", contentMediaType: "image/*" } },
  required: ["image"],
};

/** Returns an OpenAPI 3.1 document. */
export function openapi(maxBodyBytes: number): Record<string, unknown> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id });
  const { schemas: components } = z.toJSONSchema(registry, {
    uri: (id) => `#/components/schemas/${id}`,
  });
  for (const schema of Object.values(components)) {
    delete schema.$schema;
    delete schema.$id;
  }
  const problem = response("An error; 429 and 503 have the header Retry-After", "Problem");
  return {
    openapi: "3.1.0",
    info: {
      title: "Gender and age from a face",
      version: "1",
      summary: "Detects the faces in an image and predicts gender and age.",
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
              "multipart/form-data": { schema: form },
            },
          },
          responses: {
            200: response("The faces, highest score first; the list may be empty", "Analysis"),
            default: problem,
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
          default: problem,
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
    },
    components: { schemas: components },
  };
}

const get = (operation: unknown) => ({ get: operation });

function response(description: string, schema: keyof typeof schemas) {
  const content = { schema: { $ref: `#/components/schemas/${schema}` } };
  return { description, content: { "application/json": content } };
}
