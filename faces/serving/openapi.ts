/** The API's description, made from the same schemas that its answers are checked with. */
import { z } from "zod";
import {
  analysis,
  box,
  classPrediction,
  face,
  health,
  problem,
  servedModel,
  service,
  timings,
  yearsPrediction,
} from "./api.ts";
import { maxFrameBytes } from "./live.ts";
import { pictureTypes } from "./read_image.ts";

const schemas = {
  Analysis: analysis,
  Box: box,
  ClassPrediction: classPrediction,
  Face: face,
  Health: health,
  Problem: problem,
  ServedModel: servedModel,
  Service: service,
  Timings: timings,
  YearsPrediction: yearsPrediction,
};

/** An OpenAPI 3.1 document. */
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
  const picture = { type: "string", contentMediaType: "image/*" };
  const dataUrl = { type: "string", examples: ["data:image/jpeg;base64,..."] };
  return {
    openapi: "3.1.0",
    info: {
      title: "Gender and age from a face",
      version: "1",
      summary: "Finds the faces in a picture and says what the trained networks make of them.",
      description: "Pictures are analysed in memory and not stored. What the networks say are " +
        "guesses; see /card for what they are worth and what they must not be used for.",
      license: { name: "MIT", identifier: "MIT" },
    },
    paths: {
      "/predict": {
        post: {
          operationId: "predict",
          summary: "Find the faces in a picture and predict",
          parameters: [{
            name: "crops",
            in: "query",
            description: "Whether to send each face as the networks saw it",
            schema: { type: "string", enum: ["true", "false"], default: "false" },
          }],
          requestBody: {
            required: true,
            description: `At most ${maxBodyBytes} bytes and 64 million pixels. The bytes decide ` +
              "what it is, not the type",
            content: {
              ...Object.fromEntries(pictureTypes.map((type) => [type, {}])),
              "multipart/form-data": {
                schema: {
                  type: "object",
                  properties: { image: picture },
                  required: ["image"],
                },
              },
              "text/plain": { schema: dataUrl },
              "application/json": {
                schema: {
                  type: "object",
                  properties: { image: dataUrl },
                  required: ["image"],
                  additionalProperties: false,
                },
              },
            },
          },
          responses: {
            200: answer("The faces, the surest first; none is an answer too", "Analysis"),
            400: answer("What was sent is no picture, or it is damaged or too large", "Problem"),
            403: answer("Asked by a page from elsewhere, or by another name", "Problem"),
            408: answer("The picture did not arrive in time", "Problem"),
            413: answer("The body is too large", "Problem"),
            415: answer("The body holds no picture, and is of a type that is not taken", "Problem"),
            429: answer("Too many pictures wait", "Problem", true),
            503: answer("The models are not open yet, or not any more", "Problem", true),
            504: answer("The analysis took too long", "Problem"),
          },
        },
      },
      "/live": {
        get: {
          operationId: "live",
          summary: "Open a live view: a WebSocket that takes frames and answers with analyses",
          description: "Send binary messages of at most " + maxFrameBytes + " bytes: the frame's " +
            "number in 4 bytes, unsigned, big-endian, then a picture. Answers are JSON texts: an " +
            'Analysis with "frame", or a Problem with "frame". A frame that still waits when the ' +
            "next one comes is replaced by it and gets no answer, so send the next when one is " +
            "answered.",
          responses: {
            101: { description: "The WebSocket is open" },
            400: answer("The handshake is malformed", "Problem"),
            403: answer("Asked by a page from elsewhere, or by another name", "Problem"),
            426: answer("Not asked by WebSocket", "Problem"),
            429: answer("Too many live views are open", "Problem", true),
            503: answer("The models are not open yet, or not any more", "Problem", true),
          },
        },
      },
      "/model": {
        get: {
          operationId: "model",
          summary: "Say which models are served, and how good they are",
          responses: { 200: answer("The models and what finds the faces", "Service") },
        },
      },
      "/health": {
        get: {
          operationId: "health",
          summary: "Say whether /predict can answer",
          responses: {
            200: answer("It can", "Health"),
            503: answer("Not yet, or not any more", "Health"),
          },
        },
      },
      "/metrics": {
        get: {
          operationId: "metrics",
          summary: "Counters and times for Prometheus",
          responses: {
            200: {
              description: "Text exposition format",
              content: { "text/plain": { schema: { type: "string" } } },
            },
          },
        },
      },
    },
    components: { schemas: components },
  };
}

function answer(description: string, schema: keyof typeof schemas, later = false) {
  return {
    description,
    ...(later
      ? {
        headers: {
          "Retry-After": {
            description: "Seconds until it is worth trying again",
            schema: { type: "integer" },
          },
        },
      }
      : {}),
    content: { "application/json": { schema: { $ref: `#/components/schemas/${schema}` } } },
  };
}
