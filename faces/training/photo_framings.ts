/** Framing of the photos that models were trained on. */
import { choosePreset, type Preset } from "../datasets/presets.ts";
import {
  type DatasetName,
  type FolderDataset,
  type Layout,
  shareOf,
  sources,
} from "../datasets/sources.ts";
import { recordsBehind } from "./trained_on.ts";
import type { FoundModel } from "./trained_models.ts";
import { readRecord as readTraining } from "./training_record.ts";

/** Framing of a data set's photos. */
export interface PhotoFraming {
  readonly layout: Layout;
  /** Side of the face box relative to the photo's; of crops alone. */
  readonly middle?: number | undefined;
  /** True if a detector found the faces. */
  readonly detected: boolean;
  readonly preset?: string | Preset | undefined;
}

/**
 * Returns the framing of each data set behind models. Of a copied model, whose data sets are not stored,
 * those are known that no detector was asked for; the others count as detected.
 */
export async function framingsBehind(models: readonly FoundModel[]): Promise<PhotoFraming[]> {
  const each = await Promise.all(models.map(async ({ path }) => {
    const made = (await recordsBehind(path)).map(({ dependencies }) => dependencies);
    const datasets = made.flatMap(({ use, params }) =>
      use === "download" ? params.datasets as (DatasetName | FolderDataset)[] : []
    );
    if (datasets.length === 0) return await recordedFramings(path);
    const byBoxes = made.some(({ use, params: { detector } }) =>
      use === "faceCrop" && (detector === "metadata" || Object(detector).use === "metadata")
    );
    return datasets.map(framingOf)
      .map((one) => ({ ...one, detected: one.detected && !byBoxes }));
  }));
  return each.flat();
}

/** Returns the framing of a model's data sets by its `training.json`. */
async function recordedFramings(folder: string): Promise<PhotoFraming[]> {
  const { datasets, preprocessing: { withoutDetector = {} } } = await readTraining(folder);
  return Object.keys(datasets).map((name) => {
    const middle = withoutDetector[name];
    if (middle === undefined) return { layout: "full", detected: true };
    return middle === 1
      ? { layout: "aligned", detected: false }
      : { layout: "crop", detected: false, middle };
  });
}

/** Returns the framing of a data set as configured. */
export function framingOf(dataset: DatasetName | FolderDataset): PhotoFraming {
  if (typeof dataset === "string") {
    const layout = dataset === "sample" ? "crop" : sources[dataset].layout;
    return { layout, detected: true, ...layout === "crop" && { middle: shareOf() } };
  }
  const preset = dataset.preset as PhotoFraming["preset"];
  const { layout: own = "full", margin } = presetOf(preset);
  const layout = dataset.layout ?? own;
  const detected = layout === "full" || layout === "crop" && preset === undefined;
  return { layout, detected, preset, ...layout === "crop" && { middle: shareOf(margin) } };
}

/** Returns the framing of a preset; none of one that is a plugin's, which is not loaded. */
function presetOf(preset: PhotoFraming["preset"]): Pick<Preset, "layout" | "margin"> {
  try {
    return preset === undefined ? {} : choosePreset(preset);
  } catch {
    return {};
  }
}
