/** `deno task evaluate`: the whole report of trained models on any data, as a run of its own. */
import { basename, join, resolve } from "node:path";
import { parse, stringify } from "yaml";
import { artifactsOption, parseOptions } from "../../packages/pipeline/args.ts";
import { type Command, type CommandContext } from "../../packages/pipeline/app.ts";
import { main } from "../../packages/pipeline/cli.ts";
import { joinWords, problemsOf, quote, UsageError } from "../../packages/pipeline/errors.ts";
import { sha256 } from "../../packages/pipeline/fingerprint.ts";
import { identityNamed, isMissingPipeline } from "../../packages/pipeline/find_pipeline.ts";
import { freeName } from "../../packages/pipeline/format.ts";
import { displayPath, pluginName, resolveFrom } from "../../packages/pipeline/paths.ts";
import { ancestors, type Plan } from "../../packages/pipeline/plan.ts";
import { withoutSecrets } from "../../packages/pipeline/secrets.ts";
import { layoutOption } from "../datasets/sources.ts";
import { dropModuleBeside, type Preprocessing } from "../images/preprocessing.ts";
import type { PhotoFraming } from "../training/photo_framings.ts";
import type { FoundModel } from "../training/trained_models.ts";
import { readRecord } from "../training/training_record.ts";

const SETS = ["train", "validation", "test"];

const command: Command = {
  help: `Evaluate trained models on any data, with the whole report.

  deno task evaluate MODEL ... --on PIPELINE_OR_FOLDER [OPTIONS]

  --on NAME          the data: a pipeline, whose stages up to the dataset are used, or a folder or
                     archive of photos with labels, as deno task data reads it
  --part NAME        of a pipeline: train, validation or test, its own split; of a folder: a part
                     that its labels name. Default: all images
  --preset NAME      preset of the folder. Default: the one that labels most photos, before others
                     that of a model's training
  --layout NAME      full, crop or aligned: what the photos show. Default: its preset's, or full
  --set KEY=VALUE    another value of the pipeline that is run, such as
                     evaluate.metrics='[auc, rmse]' or evaluate.gate.limit=23; may repeat
  --json             print one JSON object to stdout
  --artifacts DIR    folder of the models' runs. Default: the project's artifacts/
  --help

MODEL is a run or the beginning of its id, RUN/STAGE for one of its models, a pipeline (its newest
models), or the folder of a model. Faces are cropped and resized as for the models' training. Images
that a model was trained on are counted and left out, as far as its dataset is still stored. Other
images of the same people are counted and tested.

The pipeline that is run is kept in artifacts/evaluations/, and its run is listed, compared and shown
like any other.

Exit codes: 0 evaluated, 1 a stage failed, 2 wrong command line, 130 interrupted.`,
  async run(args, tools) {
    const options = "on= part= preset= layout= set=* json artifacts= help";
    const { values, positionals } = parseOptions("evaluate", args, options);
    const { on, part, preset, layout } = values;
    if (positionals.length === 0) {
      throw new UsageError("missing MODEL: deno task evaluate RUN --on FOLDER; deno task runs");
    }
    if (on === undefined) {
      throw new UsageError("missing --on: a pipeline, or a folder of photos with labels");
    }
    layoutOption(layout);
    const artifacts = artifactsOption(values, tools, true);
    const { findModels } = await import("./predict/find_models.ts");
    const models: FoundModel[] = [], origins: string[] = [];
    for (const name of positionals) {
      const found = await findModels(name, artifacts, tools, values.artifacts !== undefined);
      origins.push(`${joinWords(found.models.map(({ stage }) => stage))} of ${found.origin}`);
      models.push(...found.models.filter(({ path }) => !models.some((one) => one.path === path)));
    }
    const framing = await framingOf(models);
    // Where the models are: artifacts/STAGE/FINGERPRINT/model.
    const store = resolve(models[0].path, "../../..");
    const own = values.artifacts === undefined &&
      await Deno.stat(join(store, "runs")).then(() => true, () => false);
    const folder = resolveFrom(on, tools.cwd);
    const { isArchive } = await import("../datasets/photo_files.ts");
    const isFolder = isArchive(folder) ||
      await identityNamed(on, tools) === undefined &&
        await Deno.stat(folder).then(() => true, () => false);
    for (const [option, value] of Object.entries({ preset, layout })) {
      if (value === undefined || isFolder) continue;
      throw new UsageError(`--${option} is of a folder, and "${on}" is none`);
    }
    const data = isFolder
      ? await folderData(folder, { preset, layout, part }, models, framing, tools)
      : await pipelineData(on, part, tools);
    const ids: string[] = [];
    for (const { stage } of models) {
      // A copied model is named by its folder, which may have any name.
      const name = stage.replace(/^[^a-z]+/i, "").replace(/[^\w-]+/g, "-") || "model";
      ids.push(freeName(name, ["evaluate", ...Object.keys(data.stages), ...ids], "-"));
    }
    // A file has this name, too.
    const few = ids.join("-").length > 100 ? [ids[0], "and", String(ids.length - 1)] : ids;
    const { crop, resize } = framing;
    const text = stringify({
      name: slug([...few, "on", slug([basename(on, ".yaml")]), ...part ? [part] : []]),
      ...data,
      evaluate: undefined,
      artifacts: own ? store : artifacts,
      stages: Object.fromEntries([
        ...Object.entries(data.stages).map(([id, stage]) => [id, framed(id, stage, crop, resize)]),
        ...models.map(({ path }, i) => [ids[i], { use: "importModel", model: path }]),
        ["evaluate", data.evaluate ?? {}],
      ]),
    }, { lineWidth: 100, aliasDuplicateObjects: false });
    const places = join(own ? store : artifacts, "evaluations");
    await Deno.mkdir(places, { recursive: true });
    const file = join(places, `${parse(text).name}-${sha256(text).slice(0, 6)}.yaml`);
    const head = `# ${displayPath(file, tools.project)}: deno task evaluate\n`;
    await Deno.writeTextFile(file, head + text);
    origins.forEach((origin) => tools.reporter.log(origin));
    const set = values.set?.map((value) => `--set=${value}`) ?? [];
    return await main(["run", file, ...set, ...values.json ? ["--json"] : []], tools);
  },
};
export default command;

/** A stage as YAML has it. */
type Written = Record<string, unknown> & { use?: string };
interface Data {
  seed?: number;
  compute?: string;
  plugins?: string[];
  stages: Record<string, Written>;
  evaluate?: Written;
}

function slug(words: readonly string[]): string {
  return words.join("-").replace(/[^\w.-]+/g, "-").replace(/^-+|-+$/g, "");
}

/** Returns the preprocessing of models. @throws {UsageError} if they need different images */
async function framingOf(models: readonly FoundModel[]): Promise<Preprocessing> {
  const each = await Promise.all(
    models.map(async ({ path }) => {
      const { preprocessing } = await readRecord(path);
      dropModuleBeside(path, preprocessing);
      return preprocessing;
    }),
  );
  const framing = ({ crop, steps, resize: { size } }: Preprocessing) =>
    JSON.stringify({ ...crop, size, steps });
  const other = each.findIndex((one) => framing(one) !== framing(each[0]));
  if (other < 0) return each[0];
  throw new UsageError(
    `${models[0].stage} and ${models[other].stage} take different images ` +
      `(${framing(each[0])} and ${framing(each[other])}). Evaluate them one by one`,
  );
}

/** Returns a stage with the models' framing and size in place of its own. */
function framed(
  id: string,
  { use = id, ...params }: Written,
  { margin, maxSize, align }: Preprocessing["crop"],
  { size }: Preprocessing["resize"],
): Written {
  const { coverage: _, ...others } = params;
  const named = use === id ? {} : { use };
  if (use === "faceCrop") return { ...named, ...others, margin, maxSize, align: align ?? "none" };
  return use === "resize32" ? { ...named, ...params, size } : { ...named, ...params };
}

/** Returns the stage that makes a kind for no other maker of it; undefined if several do. */
function onlyMaker({ stages }: Plan, kind: string): string | undefined {
  const makers = stages.filter(({ definition }) =>
    Object.values(definition.outputs).some((output) => output.kind === kind)
  );
  const last = makers.filter(({ id }) => !makers.some(({ after }) => after.includes(id)));
  return last.length === 1 ? last[0].id : undefined;
}

/** Returns the stages of a pipeline up to its dataset, and a split. */
async function pipelineData(
  name: string,
  part: string | undefined,
  tools: CommandContext,
): Promise<Data> {
  if (part !== undefined && !SETS.includes(part)) {
    throw new UsageError(`--part ${part}: of a pipeline, take ${joinWords(SETS, "or")}`);
  }
  const plan = await tools.openPlan(name).catch((error) => {
    if (!isMissingPipeline(error)) throw error;
    throw new UsageError(`--on: there is no folder and no pipeline "${name}"`);
  });
  const report = plan.stages.find(({ use }) => use === "evaluate");
  const user = report ?? plan.stages.find(({ wires }) => "dataset" in wires && "splits" in wires);
  const [dataset, splits] = ["dataset", "splits"].map((input) => {
    const wire = user?.wires[input];
    return wire && "stage" in wire ? wire.stage : onlyMaker(plan, input);
  });
  if (dataset === undefined || part && splits === undefined) {
    const what = dataset === undefined ? "dataset" : "split";
    throw new UsageError(
      `pipeline "${name}" does not name one ${what}: no stage takes it, and not exactly one makes it. ` +
        "Add evaluate, whose inputs name it",
    );
  }
  const wanted = ancestors(plan, part && splits !== undefined ? [dataset, splits] : [dataset]);
  const used = plan.stages.filter(({ id }) => wanted.has(id));
  const modules = [...used, ...report ? [report] : []].flatMap(({ plugin, module, extensions }) => [
    ...plugin ? [module] : [],
    ...extensions.map((one) => one.module),
  ]);
  const stages: Data["stages"] = {};
  for (const { id, use, params, inputs, replaces, seed } of used) {
    stages[id] = {
      ...use !== id && { use },
      ...withoutSecrets(params),
      ...Object.keys(inputs).length > 0 && { inputs },
      ...replaces !== undefined && { replaces },
      ...seed !== undefined && { seed },
      ...id === splits && { only: part },
    };
  }
  return {
    seed: plan.seed,
    compute: plan.compute,
    plugins: [...new Set(modules)].map(pluginName),
    stages: { ...stages, ...!part && { split: { only: "all", copies: "ignore" } } },
    ...report && { evaluate: report.params },
  };
}

/** Describes the part of a photo that is taken as the face. */
function partOf({ layout, detected }: PhotoFraming): string {
  const parts = {
    full: "the face by the labels' box",
    crop: "a crop of each photo's middle",
    aligned: "each photo whole",
  };
  return `${detected ? "the face that a detector finds" : parts[layout]} (layout: ${layout})`;
}

/** Returns stages that read a folder, as `deno task data` proposes them. */
async function folderData(
  folder: string,
  { preset, layout, part }: { preset?: string; layout?: string; part?: string },
  models: readonly FoundModel[],
  { detector: used }: Preprocessing,
  { project, reporter }: CommandContext,
): Promise<Data> {
  const { choosePreset, OWN_PRESET, presets } = await import("../datasets/presets.ts");
  const { detectorChoice, detectorNames } = await import("../detection/detectors.ts");
  const { name, module } = used;
  if (module === undefined && !detectorNames.includes(name)) {
    throw new UsageError(
      `"${name}", the detector of the training, is of a plugin that lies with the model, and evaluate ` +
        "loads none from there. Evaluate --on a pipeline that lists the plugin",
    );
  }
  const { lookAt } = await import("./data/look_at.ts");
  const { proposePipeline } = await import("./data/propose_pipeline.ts");
  const signal = new AbortController().signal;
  const { framingOf, framingsBehind } = await import("../training/photo_framings.ts");
  const trained = await framingsBehind(models);
  const preferred = trained.flatMap(({ preset }) => preset ?? []);
  for (const one of preset === undefined ? new Set(preferred) : []) {
    const { use = OWN_PRESET } = typeof one === "string" ? { use: one } : one as { use?: string };
    const [problem] = await problemsOf([[[], () => choosePreset(one)]]);
    if (!problem) continue;
    const why = presets.some(({ name }) => name === use)
      ? "a preset that this version does not take"
      : "a preset of a plugin, and evaluate loads none";
    reporter.log(
      `warning: training read its photos by ${quote(one)}, ${why}. To read the folder by it, ` +
        "evaluate --on a pipeline that names both.",
    );
  }
  const found = await lookAt(folder, { preset, preferred, photos: 0, signal });
  if (!found.labels) {
    throw new UsageError(
      `"${folder}" has no labels to evaluate with: ${found.summary} ` +
        "Write a CSV with the columns path, age and gender; deno task data shows what is there",
    );
  }
  const parts = new Set(found.labels.rows.map(({ attributes }) => String(attributes?.part ?? "")));
  if (part !== undefined && !parts.has(part)) {
    const named = joinWords([...parts].filter(Boolean)) || "none: they have no column part";
    throw new UsageError(`--part ${part}: the labels of "${folder}" name ${named}`);
  }
  const { download } = parse(proposePipeline(found)).stages;
  const [dataset] = download.datasets;
  if (layout !== undefined) dataset.layout = layout;
  const [other] = trained, here = framingOf(dataset);
  const alike = trained.every(({ layout, detected }) => !detected && layout === other.layout);
  if (layout === undefined && other && alike && other.layout !== here.layout) {
    reporter.log(
      `warning: training took ${partOf(other)}, and here it is ${
        partOf(here)
      }. If these photos are ` +
        `framed like its own, add --layout ${other.layout}.`,
    );
  }
  // Boxes of the labels, which a folder of photos has in their middle if they are crops.
  const detector = name !== "metadata"
    ? detectorChoice(used)
    : layout === "crop"
    ? name
    : undefined;
  return {
    ...module !== undefined && {
      plugins: [/\.[cm]?[jt]sx?$/.test(module) ? resolve(project, module) : module],
    },
    stages: {
      download,
      matParse: { require: [] },
      faceCrop: { detector },
      resize32: {},
      split: part === undefined
        ? { only: "all", copies: "ignore" }
        : { only: "test", copies: "ignore", test: { part } },
    },
  };
}
