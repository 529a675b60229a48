/** JSON Schema of a pipeline, for completion in editors, and docs/reference.md. */
import { z } from "zod";
import { isRecord } from "../fingerprint.ts";
import { type Definition, NAME } from "../define.ts";
import { FIXED, pipelineSchema, rangeSchema, seedSchema } from "./pipeline_schema.ts";
import { turnedBy } from "../plan.ts";
import type { Kind, Stage } from "../stage.ts";
import { choicesIn, choosesOf } from "./schemas.ts";
import { isSeed } from "../spread.ts";

type Json = Record<string, unknown>;

const NOT_TRUE = { not: { const: true } };
/** A stage over that of the file that is extended, which false drops. */
const PART = { ...NOT_TRUE, type: ["object", "null", "boolean"] };

const propertiesOf = ({ properties = {} }: Json) => properties as Record<string, Json>;

/**
 * A JSON Schema (draft 7, which the YAML language server reads) of a pipeline made of these stages.
 */
export function pipelineJsonSchema(stages: readonly Stage[]): Json {
  const { required: _, ...top } = toJson(pipelineSchema);
  const { sweep, stages: { description } } = propertiesOf(top);
  const { swept, open } = sweepable(stages), keys = { ...propertiesOf(sweep!), ...swept };
  // Stages under ids of the user's own are not known.
  const own = { pattern: `^(${stages.map(({ name }) => name).join("|")})\\.` };
  const others = { not: { anyOf: [own, { pattern: FIXED.source }] } };
  const part = (stage: Stage) => ({ ...partOf(stageSchema(stage)), ...PART });
  return {
    ...top,
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Pipeline",
    properties: {
      ...propertiesOf(top),
      sweep: {
        ...sweep,
        ...NOT_TRUE,
        type: ["object", "boolean"],
        properties: keys,
        propertyNames: { anyOf: [{ enum: Object.keys(keys) }, ...open, others] },
      },
      stages: { description },
    },
    // A file over another one need not repeat what is written there.
    if: { required: ["extends"] },
    then: { properties: { stages: reference("part") } },
    else: {
      required: ["stages"],
      properties: { stages: reference("whole"), sweep: { type: "object" } },
    },
    definitions: {
      ...definitionsOf("whole", stages, stageSchema, { description, minProperties: 1 }),
      ...definitionsOf("part", stages, part, {
        description,
        additionalProperties: {
          // Which stage it is may be written in the file that is extended.
          if: { type: "object", required: ["use"] },
          then: reference("part.named"),
          else: PART,
        },
      }),
      range: toJson(rangeSchema),
    },
  };
}

/**
 * Returns the schema of a map of stages by its name, and those of the stages, which have no dots in
 * theirs. @param more of the map
 */
function definitionsOf(
  map: string,
  stages: readonly Stage[],
  schemaOf: (stage: Stage) => Json,
  more: Json,
): Json {
  const names = stages.map(({ name }) => name);
  return {
    [map]: {
      type: "object",
      propertyNames: { pattern: NAME.source },
      properties: Object.fromEntries(names.map((name) => [name, {
        if: { type: "object", required: ["use"] },
        then: reference(`${map}.named`),
        else: reference(`${map}.of.${name}`),
      }])),
      additionalProperties: reference(`${map}.named`),
      ...more,
    },
    [`${map}.named`]: {
      type: "object",
      description: "A stage under an id of your own; use names the stage",
      required: ["use"],
      properties: { use: { enum: names, description: "Name of the stage" } },
      allOf: names.map((name) => ({
        if: { properties: { use: { const: name } } },
        then: reference(`${map}.of.${name}`),
      })),
    },
    ...Object.fromEntries(stages.map((stage) => [`${map}.of.${stage.name}`, schemaOf(stage)])),
  };
}

/**
 * Returns the schema of what a file has over a value of the file that it extends: keys are missing
 * where they are written there, and empty to leave out what is.
 */
function partOf({ required: _, anyOf, oneOf, ...schema }: Json): Json {
  const forms = (anyOf ?? oneOf) as Json[] | undefined;
  const properties = Object.entries(propertiesOf(schema)).map(([key, value]) => {
    const { description, ...part } = partOf(value);
    return [key, { description, anyOf: [part, { type: "null" }] }];
  });
  return {
    ...schema,
    ...properties.length > 0 && { properties: Object.fromEntries(properties) },
    ...forms && { anyOf: forms.map(partOf) },
  };
}

/** Returns the keys that a sweep may vary, such as "split.test", with the schema of their values. */
function sweepable(stages: readonly Stage[]): { swept: Json; open: Json[] } {
  const open: Json[] = [];
  const found = new Map<string, { description: unknown; schemas: Map<string, Json> }>();
  const add = (key: string, $ref: string, { description = "Seeds to try", ...schema }: Json) => {
    // An option may differ between the definitions of a choice.
    const { schemas } = found.getOrInsert(key, { description, schemas: new Map() });
    schemas.getOrInsert(JSON.stringify({ ...schema, default: undefined }), { ...schema, $ref });
  };
  const walk = (key: string, $ref: string, schema: Json) => {
    for (const kind of ["anyOf", "oneOf"]) {
      (schema[kind] as Json[] | undefined ?? []).forEach((form, i) =>
        walk(key, `${$ref}/${kind}/${i}`, form)
      );
    }
    // Any name may follow.
    if (isRecord(schema.additionalProperties)) open.push({ pattern: `^${key}\\.` });
    for (const [name, inner] of Object.entries(propertiesOf(schema))) {
      const path = `${key}.${name}`, at = `${$ref}/properties/${name}`;
      add(path, at, inner);
      walk(path, at, inner);
    }
  };
  add("seed", "#/properties/seed", {});
  for (const stage of stages) {
    walk(stage.name, reference(`whole.of.${stage.name}`).$ref, stageSchema(stage));
  }
  const swept = Object.fromEntries([...found].map(([key, { description, schemas }]) => {
    const forms = [...schemas.values()], refs = forms.map(({ $ref }) => ({ $ref }));
    const items = refs.length > 1 ? { anyOf: refs } : refs[0];
    const list = { type: "array", minItems: 1, uniqueItems: true, items };
    const types = isSeed(key) ? [] : forms.flatMap(formsOf).map(({ type }) => type);
    // Of whole numbers, others are refused.
    const range = types.includes("number")
      ? reference("range")
      : types.includes("integer") && { allOf: [reference("range"), { required: ["step"] }] };
    return [key, { description, ...range ? { anyOf: [list, range] } : list }];
  }));
  return { swept, open };
}

/** Returns the alternatives of a value. */
function formsOf({ anyOf, ...schema }: Json): Json[] {
  return anyOf ? (anyOf as Json[]).flatMap(formsOf) : [schema];
}

const reference = (definition: string) => ({ $ref: `#/definitions/${definition}` });

/** Returns the JSON Schema of values as written in YAML, without keys that only the runner reads. */
function toJson(schema: z.ZodType): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io: "input",
    target: "draft-7",
    unrepresentable: "any", // a plugin's own type, which the runner checks
    override({ zodSchema, jsonSchema }) {
      const renamed = choosesOf(zodSchema as never)?.definitions
        .find(({ former }) => former?.includes(jsonSchema.default as string));
      if (renamed) jsonSchema.default = renamed.name;
      for (const key of ["path", "byContent", "mistaken", "aliases", "chooses"]) {
        delete jsonSchema[key];
      }
    },
  });
  return json;
}

/** Returns the schema of a stage's parameters, and of what the runner reads. */
function stageSchema(stage: Stage): Json {
  const id = z.string(), ids = z.union([id, z.array(id)]);
  const inputs = Object.entries(stage.inputs).map(([name, input]) => {
    if (!("all" in input)) {
      const description = `Id of the stage that makes its ${input.kind}, if more than one does`;
      return [name, id.optional().describe(description)];
    }
    const fallback = input.named ? "none" : "all that make one";
    const description = `Ids of the stages that make its ${input.all.kind}. Default: ${fallback}`;
    return [name, ids.optional().describe(description)];
  });
  const schema = toJson(z.strictObject({
    use: z.literal(stage.name).optional().describe(`Name of the stage: ${stage.summary}`),
    ...inputs.length > 0 && {
      inputs: z.strictObject(Object.fromEntries(inputs)).optional()
        .describe("Input → id of the stage that makes it"),
    },
    ...turnedBy(stage).length > 0 && {
      replaces: id.optional().describe(
        "Id of the stage whose output it takes; every stage that would take that output takes " +
          "this one's. inputs: wins",
      ),
    },
    ...stage.canBeSeeded && {
      seed: seedSchema.optional().describe("For this stage alone, in place of the pipeline's"),
    },
    ...stage.params.shape,
  }));
  const type = schema.required ? "object" : ["object", "null"];
  return { ...schema, type, description: stage.summary };
}

/**
 * Returns the whole reference as Markdown: keys of a pipeline, stages with their parameters, kinds of
 * artifacts with their files, the app's own sections, and the help of each command.
 * @param options.commands command → its help, in the order of the list of commands
 * @param options.sections Markdown with headings of level 2, such as the app's own registries
 */
export function referenceMarkdown({ commands, stages, sections = "" }: {
  readonly commands: Readonly<Record<string, string>>;
  readonly stages: readonly Stage[];
  readonly sections?: string;
}): string {
  return [
    "<!-- deno-fmt-ignore-file -->",
    "# Reference",
    "Generated from the code by `deno task schema`; edits are overwritten.",
    "## Pipeline",
    "Keys at the top of a pipeline's YAML. Relative paths count from the folder of the YAML, and ~/ is the home folder.",
    parameterTable(pipelineSchema.omit({ stages: true })),
    "`stages` maps an id to a stage's parameters, and `sweep` a parameter to its values. Beside its " +
    "own parameters a stage takes `use` (the stage, where the id is another), `inputs` (input → id " +
    "of the stage that makes it), `replaces` (the stage whose output it takes over) and, where it " +
    "draws at random, `seed`. A sweep takes a list of values or a range:",
    parameterTable(rangeSchema),
    "## Stages",
    ...stages.map(stageMarkdown),
    ...choicesMarkdown(stages),
    "## Artifact kinds",
    "An artifact is a folder, `artifacts/STAGE/FINGERPRINT/OUTPUT/`. `record.json` beside it lists " +
    "what it was made of.",
    ...kindsOf(stages).map(kindMarkdown),
    ...(sections === "" ? [] : [sections.trim()]),
    "## Commands",
    ...Object.entries(commands).map(([name, help]) =>
      `### deno task ${name}\n\n\`\`\`text\n${help.trim()}\n\`\`\``
    ),
  ].join("\n\n") + "\n";
}

function stageMarkdown(stage: Stage): string {
  const takes = Object.values(stage.inputs).map((input) =>
    !("all" in input)
      ? kindLink(input.kind)
      : input.named
      ? `any ${kindLink(input.all.kind)} that \`inputs\` names`
      : `every ${kindLink(input.all.kind)}`
  );
  const makes = Object.values(stage.outputs).map((output) => kindLink(output.kind));
  const wiring = Object.entries({ takes, makes }).filter(([, kinds]) => kinds.length > 0)
    .map(([verb, kinds]) => `${verb} ${kinds.join(", ")}`).join("; ");
  const heading = `### ${stage.name}\n\n${stage.summary}${wiring ? ` (${wiring})` : ""}.`;
  return `${heading}\n\n${parameterTable(stage.params)}`;
}

/** Returns a section for each kind of choice, with the definitions and their options. */
function choicesMarkdown(stages: readonly Stage[]): string[] {
  const found = new Map<string, Map<string, Definition>>();
  const walk = (schema: z.ZodType): void => {
    for (const { kind, definitions } of choicesIn(schema)) {
      const known = found.getOrInsertComputed(kind, () => new Map());
      for (const one of definitions) known.set(one.name, one);
      definitions.forEach(({ params }) => params && walk(params));
    }
  };
  for (const { params } of stages) walk(params);
  if (found.size === 0) return [];
  return [
    "## Choices",
    "A parameter that names one of these takes `NAME` or `{ use: NAME, ...options }`. Plugins add " +
    "their own with `define`.",
    ...[...found].sort(([a], [b]) => a < b ? -1 : 1).flatMap(([kind, definitions]) => [
      `### Choice ${kind}`,
      ...[...definitions.values()].map(({ name, former = [], summary, params }) => {
        const aliases = former.map((alias) => `\`${alias}\``).join(", ");
        return `\`${name}\`${aliases && ` (alias ${aliases})`}: ${summary}.` +
          (params && Object.keys(params.shape).length > 0 ? `\n\n${parameterTable(params)}` : "");
      }),
    ]),
  ];
}

const kindLink = (kind: string) => `[${kind}](#kind-${kind.toLowerCase()})`;

/** Returns the kinds that stages take and make, each once, in the order of the stages. */
function kindsOf(stages: readonly Stage[]): Kind[] {
  const kinds = stages.flatMap((stage) => [
    ...Object.values(stage.inputs).map((input) => "all" in input ? input.all : input),
    ...Object.values(stage.outputs),
  ]);
  return [...new Map(kinds.map((kind) => [kind.kind, kind])).values()];
}

function kindMarkdown({ kind, summary, files, optional = [], volatile = [] }: Kind): string {
  const rows = Object.entries(files).map(([file, content]) => {
    const notes = [
      optional.includes(file) ? "optional" : "",
      volatile.includes(file) ? "not part of the digest" : "",
    ].filter(Boolean).join(", ");
    return [`\`${file}\``, content, notes];
  });
  return `### Kind ${kind}\n\n${summary}.\n\n${table(["file", "content"], rows)}`;
}

function parameterTable(params: z.ZodType): string {
  const rows = rowsOf("", toJson(params));
  return rows.length === 0 ? "No parameters." : table(["parameter", "values", "default"], rows);
}

/** Returns a Markdown table. Its last column has no name. */
function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  return [
    `| ${columns.join(" | ")} | |`,
    `|${" --- |".repeat(columns.length + 1)}`,
    ...rows.map((cells) => `| ${cells.map(cell).join(" | ")} |`),
  ].join("\n");
}

/** Returns a row for each parameter of a map. @param prefix precedes their names */
function rowsOf(prefix: string, schema: Json): string[][] {
  const { required = [] } = schema as { required?: string[] };
  return Object.entries(propertiesOf(schema)).flatMap(([key, value]) =>
    parameterRows(prefix + key, value, required.includes(key))
  );
}

function parameterRows(name: string, schema: Json, required: boolean): string[][] {
  const shown = schema.default === undefined ? "" : `\`${JSON.stringify(schema.default)}\``;
  const fallback = required ? "required" : shown;
  const description = String(schema.description ?? "");
  const rows = [
    ...formsOf(schema).flatMap((form) => rowsOf(`${name}.`, form)),
    ...formsOf(schema.items as Json ?? {}).flatMap((form) => rowsOf(`${name}[].`, form)),
  ];
  // Without the map, the defaults within it do not hold.
  return schema.properties && (fallback !== "" || description === "")
    ? rows
    : [[`\`${name}\``, values(schema), fallback, description], ...rows];
}

/** Formats the values that a schema allows: "number, more than 0, less than 1". */
function values(schema: Json): string {
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => `\`${value}\``).join(" ");
  if (schema.const !== undefined) return `\`${schema.const}\``;
  const choices = formsOf(schema).flatMap(({ oneOf }) => oneOf as Json[] ?? []).map(propertiesOf);
  if (choices.length > 0) {
    const names = choices.map(({ use }) => use!.const ?? (use!.enum as string[])[0]);
    return `${names.map((name) => `\`${name}\``).join(" ")} or \`{ use, ...options }\``;
  }
  if (Array.isArray(schema.anyOf)) return (schema.anyOf as Json[]).map(values).join(" or ");
  const items = schema.prefixItems ?? schema.items;
  if (Array.isArray(items)) return `list of ${items.length}, each ${values(items[0] as Json)}`;
  if (schema.type === "array") return `list of ${values(items as Json)}`;
  const bounds = [
    schema.minimum !== undefined && `at least ${schema.minimum}`,
    schema.exclusiveMinimum !== undefined && `more than ${schema.exclusiveMinimum}`,
    Number(schema.maximum) < Number.MAX_SAFE_INTEGER && `at most ${schema.maximum}`,
    schema.exclusiveMaximum !== undefined && `less than ${schema.exclusiveMaximum}`,
  ].filter((text) => typeof text === "string");
  if (schema.properties) {
    const others = schema.additionalProperties ? ["..."] : [];
    return `\`{ ${[...Object.keys(schema.properties), ...others].join(", ")} }\``;
  }
  const type = schema.type === "integer" ? "whole number" : String(schema.type ?? "anything");
  return [type, ...bounds.filter((text) => !text.includes("-9007199254740991"))].join(", ");
}
