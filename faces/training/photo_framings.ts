/** Framing of the photos that models were trained on, as far as their data sets are stored. */
import { choosePreset, type Preset } from "../datasets/presets.ts";
import { type DatasetName, type FolderDataset, type Layout, sources } from "../datasets/sources.ts";
import { recordsBehind } from "./trained_on.ts";
import type { FoundModel } from "./trained_models.ts";

/** Framing of a data set's photos. */
export interface PhotoFraming {
  readonly layout: Layout;
  /** See `Preset`; of crops alone. */
  readonly margin?: number | undefined;
  /** True if a detector found the faces. */
  readonly detected: boolean;
  readonly preset?: string | Preset | undefined;
}

/** Returns the framing of each data set behind models. */
export async function framingsBehind(models: readonly FoundModel[]): Promise<PhotoFraming[]> {
  const each = await Promise.all(models.map(async ({ path }) => {
    const made = (await recordsBehind(path)).map(({ dependencies }) => dependencies);
    const byBoxes = made.some(({ use, params: { detector } }) =>
      use === "faceCrop" && (detector === "metadata" || Object(detector).use === "metadata")
    );
    const datasets = made.flatMap(({ use, params }) =>
      use === "download" ? params.datasets as (DatasetName | FolderDataset)[] : []
    );
    return datasets.map(framingOf)
      .map((one) => ({ ...one, detected: one.detected && !byBoxes }));
  }));
  return each.flat();
}

/** Returns the framing of a data set as configured. */
export function framingOf(dataset: DatasetName | FolderDataset): PhotoFraming {
  if (typeof dataset === "string") {
    return { layout: dataset === "sample" ? "crop" : sources[dataset].layout, detected: true };
  }
  const preset = dataset.preset as PhotoFraming["preset"];
  const { layout: own = "full", margin } = presetOf(preset);
  const layout = dataset.layout ?? own;
  const detected = layout === "full" || layout === "crop" && preset === undefined;
  return { layout, detected, preset, ...layout === "crop" && { margin } };
}

/** Returns the framing of a preset; none of one that is a plugin's, which is not loaded. */
function presetOf(preset: PhotoFraming["preset"]): Pick<Preset, "layout" | "margin"> {
  try {
    return preset === undefined ? {} : choosePreset(preset);
  } catch {
    return {};
  }
}
