/** Proposes a pipeline for a data set, as YAML. */
import { stringify } from "yaml";
import { counted } from "../../../packages/pipeline/causes.ts";
import { choosePreset } from "../../datasets/presets.ts";
import type { DataFound } from "../../evaluation/data_page.ts";

/** Returns a pipeline that reads the data set, with comments on what was found. */
export function proposePipeline(found: DataFound): string {
  const { folder, labels, preset, summary } = found;
  const notes = [summary];
  if (!labels) {
    notes.push(
      "Write a CSV with the columns path, age and gender, or a preset: photos (a pattern of names)",
      "or labels, columns and values. docs/guide/data.md has examples.",
    );
  }
  const rows = labels?.rows ?? [];
  const known = {
    gender: rows.filter(({ gender }) => gender >= 0).length,
    age: rows.filter(({ age, attributes }) => age >= 0 || attributes?.age_low != null).length,
  };
  const exact = rows.some(({ age }) => age >= 0);
  const people = new Set(rows.flatMap(({ identity }) => identity ?? [])).size;
  const trains = known.gender > 0 || exact;
  // Ages that are intervals, alone, train no network here.
  const required = [
    ...known.gender > 0 ? ["gender"] as const : [],
    ...exact || !trains ? ["age"] as const : [],
  ];
  const partial = required.some((label) => known[label] !== rows.length);
  if (labels) {
    notes.push(
      `Ages: ${known.age}, genders: ${known.gender}, people: ${people || "unknown"}; ` +
        `${counted(found.missing.length, "photo")} missing, ${
          counted(found.copies.length, "group")
        } of exact copies.`,
    );
    if (found.repeated.length > 0) {
      const [first] = found.repeated;
      notes.push(
        `${counted(found.repeated.length, "photo")} of several rows, the first of which counts, ` +
          `such as ${first}.`,
      );
    }
    if (!exact && known.age > 0) {
      notes.push("Ages are intervals: docs/guide/data.md trains their classes (FairFace).");
    }
    if (partial) {
      notes.push("Rows that lack a label of matParse.require are dropped; [] keeps all.");
    }
  }
  const fields = preset === undefined ? {} : { preset };
  const { layout } = preset === undefined ? { layout: undefined } : choosePreset(preset as never);
  if (layout === undefined) {
    notes.push("layout: full: a detector finds the faces; aligned: the photos are faces already.");
  }
  const training = { batchSize: 32, batchNormMomentum: 0.9 };
  const stopping = { earlyStopping: { patience: 5, restoreBest: true } };
  const division = publishedDivision(new Set(rows.map(({ attributes }) => attributes?.part)));
  const pipeline = {
    seed: 42,
    stages: {
      download: {
        datasets: [{ folder, ...fields, ...layout === undefined ? { layout: "full" } : {} }],
      },
      matParse: partial && labels ? { require: required } : null,
      faceCrop: null,
      resize32: null,
      split: people > 1 || division ? { ...division, ...people > 1 && { by: "identity" } } : null,
      ...known.gender > 0 && { trainGender: { ...training, ...stopping } },
      ...exact && { trainAge: { variant: "regression", ...training, ...stopping } },
      ...trains && { evaluate: null, webcamServe: null },
    },
  };
  const yaml = stringify(pipeline, { lineWidth: 100, nullStr: "", aliasDuplicateObjects: false })
    .replaceAll(/ +$/gm, "");
  const header = ["yaml-language-server: $schema=../pipeline.schema.json", ...notes];
  return header.map((line) => `# ${line}\n`).join("") + yaml;
}

/** Returns the sets of a data set's own parts; results of FairFace are published on val. */
function publishedDivision(parts: ReadonlySet<unknown>) {
  const part = (name: string) => parts.has(name) ? { part: name } : undefined;
  const test = part("test"), val = part("val");
  if (test) return { test, ...val && { validation: val } };
  const other = val ?? part("fold_0");
  return other && { test: other };
}
