/** Initial weights from a trained model: the parameter `init`. */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { z } from "zod";
import { readJson } from "../../packages/formats/read_json.ts";
import { findByIdPrefix, History } from "../../packages/pipeline/history.ts";
import { pathParam } from "../../packages/pipeline/stage.ts";
import type { Tf } from "./training_definitions.ts";

/** Parameter of training stages. */
export const initParam = z.union([
  pathParam(),
  z.strictObject({
    from: pathParam().describe(
      "Folder of a model, its model.json, or a run (RUN, RUN/STAGE, RUN/STAGE.OUTPUT)",
    ),
    freeze: z.union([z.literal("matched"), z.array(z.string().min(1)).min(1)]).optional().describe(
      "Layers that training leaves as they are: names, `*` stands for any characters; matched: all " +
        "that got weights. Default: none",
    ),
  }),
]).optional().describe(
  "Trained model whose weights training starts from (folder, model.json, or RUN/STAGE of an earlier " +
    "run): layers are matched by name and shape, others, " +
    "such as heads of another task, get new weights. Use a lower learningRate. Default: new weights",
);

type Init = NonNullable<z.output<typeof initParam>>;

/** A trained model on disk. */
interface ModelPaths {
  folder: string;
  model: string;
}

/** Finds the model that `init` names: a path, or `RUN` or `RUN/STAGE` in the artifacts folder. */
async function locate(init: Init, artifacts: string): Promise<ModelPaths> {
  const from = typeof init === "string" ? init : init.from;
  if (from.endsWith(".json")) return { folder: dirname(from), model: from };
  const given = { folder: from, model: join(from, "model.json") };
  const exists = (path: string) => Deno.stat(path).then(() => true, () => false);
  const [, id, wanted] = from.match(/[\\/]([0-9a-f]{4,})(?:[\\/]([\w.-]+))?$/) ?? [];
  if (id === undefined || await exists(given.model)) return given;
  const run = findByIdPrefix(id, await new History(artifacts).list());
  if (!run) return given;
  const found: (ModelPaths & { names: string[] })[] = [];
  for (const { id, use, fingerprint } of run.stages) {
    const place = join(artifacts, use, fingerprint?.slice(0, 16) ?? "");
    if (!fingerprint || !await exists(place)) continue;
    for (const { name } of [...Deno.readDirSync(place)].sort((a, b) => a.name < b.name ? -1 : 1)) {
      const folder = join(place, name), model = join(folder, "model.json");
      if (await exists(model)) found.push({ folder, model, names: [id, `${id}.${name}`] });
    }
  }
  const fitting = found.filter(({ names }) => wanted === undefined || names.includes(wanted));
  if (fitting.length === 1) return fitting[0];
  const names = found.map(({ names }) => `${run.id}/${names[1]}`).join(", ") || "no model";
  throw new Error(
    `Cannot start from run "${
      wanted ? `${id}/${wanted}` : id
    }": it names ${fitting.length} models. ` +
      `The run has ${names}.`,
  );
}

const manifestShape = z.looseObject({
  weightsManifest: z.array(z.looseObject({
    paths: z.array(z.string()).length(1),
    weights: z.array(
      z.looseObject({ name: z.string(), shape: z.array(z.number()), dtype: z.string() }),
    ),
  })).length(1),
});

/** Reads which file has the weights of a model, and which weights they are. */
async function readManifest(model: string) {
  const { weightsManifest: [{ paths: [file], weights }] } = await readJson(
    ...[
      model,
      manifestShape,
      "Name the folder of a `model` artifact, its model.json, or a run",
    ] as const,
  );
  return { file, weights };
}

/** Returns the digest of the model that `init` names, for the cache key; none without `init`. */
export async function initFacts(
  init: Init | undefined,
  artifacts: string,
): Promise<Record<string, string>> {
  if (init === undefined) return {};
  const { folder, model } = await locate(init, artifacts);
  const hash = createHash("sha256");
  // A model that cannot be read is refused when training starts.
  const file = await readManifest(model).then(({ file }) => file, () => "weights.bin");
  for (const path of [model, join(folder, file)]) {
    try {
      hash.update(await Deno.readFile(path));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return { [`init ${folder}`]: "missing" };
    }
  }
  return { [`init ${folder}`]: hash.digest("hex") };
}

/**
 * Gives a network the weights of the model that `init` names, and freezes layers.
 * @returns the frozen layers' names, and a sentence about the weights
 * @throws if the model does not exist or no layer matches
 */
export async function applyInit(
  network: LayersModel,
  init: Init,
  artifacts: string,
  tf: Tf,
): Promise<{ frozen: string[]; summary: string }> {
  const { folder, model } = await locate(init, artifacts);
  const { file, weights } = await readManifest(model);
  const bytes = await Deno.readFile(join(folder, file));
  const values = new Map<string, { shape: number[]; data: Float32Array }>();
  let at = 0;
  for (const { name, shape, dtype } of weights) {
    const size = shape.reduce((product, n) => product * n, 1);
    if (dtype !== "float32" || at + size * 4 > bytes.length) {
      throw new Error(
        `Cannot start from "${model}": weight "${name}" is ${dtype} at byte ${at} of ${bytes.length}. ` +
          "Expected float32 within the file; train the model again.",
      );
    }
    values.set(name, { shape, data: new Float32Array(bytes.slice(at, at += size * 4).buffer) });
  }
  const matched = new Set<string>(), fresh: string[] = [];
  for (const layer of network.layers) {
    for (const weight of layer.weights) {
      const found = values.get(weight.originalName);
      if (found && `${found.shape}` === `${weight.shape}`) {
        tf.tidy(() => void weight.write(tf.tensor(found.data, found.shape)));
        matched.add(layer.name);
      } else fresh.push(weight.originalName);
    }
  }
  const kernels = network.weights.filter(({ originalName }) => /kernel$/.test(originalName));
  if (kernels.every(({ originalName }) => fresh.includes(originalName))) {
    throw new Error(
      `Cannot start "${network.name}" from "${model}": no kernel has the same name and shape. It has ` +
        `${[...values.keys()].slice(0, 5).join(", ")} and others. Choose the same network.`,
    );
  }
  const freeze = typeof init === "string" ? undefined : init.freeze;
  const patterns = Array.isArray(freeze)
    ? freeze.map((name) => ({ name, pattern: globPattern(name) }))
    : [];
  const frozen: string[] = [];
  for (const layer of network.layers) {
    const named = patterns.some(({ pattern }) => pattern.test(layer.name));
    if (!named && !(freeze === "matched" && matched.has(layer.name))) continue;
    layer.trainable = false;
    frozen.push(layer.name);
  }
  const missed = patterns.find(({ pattern }) => !frozen.some((name) => pattern.test(name)));
  if (missed) {
    throw new Error(
      `Cannot freeze "${missed.name}": no layer has that name. There are ` +
        `${network.layers.map(({ name }) => name).join(", ")}.`,
    );
  }
  const total = network.weights.length;
  return {
    frozen,
    summary: `initial weights: ${total - fresh.length} of ${total} from ${folder}` +
      (fresh.length > 0 ? `; new: ${fresh.join(", ")}` : "") +
      (frozen.length > 0 ? `; frozen: ${frozen.join(", ")}` : ""),
  };
}

function globPattern(glob: string): RegExp {
  return new RegExp(`^${glob.split("*").map(RegExp.escape).join(".*")}$`);
}
