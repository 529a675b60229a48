/** Texts of the page about predictions and errors of the camera. */
import { counted } from "../../../packages/pipeline/causes.ts";
import { formatNumber } from "../../../packages/pipeline/format.ts";
import type { ClassPrediction, Face, Prediction, Service } from "../api.ts";

/** Formats a prediction: "female 93 %", "34 ± 8 years", "0.531 ± 0.024", "uncertain (male) 61 %". */
export function formatPrediction(prediction: Prediction): string {
  if ("classes" in prediction) return `${label(prediction)} ${percent(prediction.probability)}`;
  const { error, interval } = prediction;
  const [value, format, unit] = "years" in prediction
    ? [prediction.years, (one: number) => one.toFixed(0), " years"] as const
    : [prediction.value, formatNumber, ""] as const;
  if (!interval) return `${format(value)} ± ${format(error)}${unit}`;
  const { low, high, level } = interval;
  const units = format(value) === "1" ? unit.slice(0, -1) : unit;
  return `${format(value)}${units}, ${percent(level)}: ${format(low)} to ${format(high)}`;
}

/** Returns the name of a predicted class; age groups have their unit. */
export function label({ label, minAge, maxAge, uncertain }: ClassPrediction): string {
  const name = minAge === undefined && maxAge === undefined ? label : `${label} years`;
  return uncertain ? `uncertain (${name})` : name;
}

/** Returns the label of a box: "female 93 %, 34 ± 8 years", and a line for each other column. */
export function caption(
  { gender, age, predictions }: Pick<Face, "gender" | "age" | "predictions">,
  models: Service["models"],
): string {
  const usual = [gender, age].filter((one) => one !== undefined).map(formatPrediction).join(", ");
  const tasks = new Map(models.map(({ id, task }) => [id, task]));
  const others = [...Map.groupBy(predictions, ({ model }) => tasks.get(model) ?? "age")]
    .filter(([task]) => task !== "gender" && task !== "age")
    .map(([task, [first]]) => `${task}: ${formatPrediction(first)}`);
  return [usual, ...others].filter(Boolean).join("\n");
}

/** Formats 0.934 as "93 %". 0 % and 100 % are exact: 0.997 becomes "> 99 %". */
export function percent(share: number): string {
  const rounded = Math.round(share * 100);
  if (rounded === 100 && share < 1) return "> 99 %";
  return rounded === 0 && share > 0 ? "< 1 %" : `${rounded} %`;
}

/** Returns the text for screen readers about the faces of an image. */
export function announcement(faces: readonly Face[], models: Service["models"]): string {
  if (faces.length === 0) return "No face detected: come closer, or add light.";
  const count = counted(faces.length, "face");
  const captions = faces.flatMap((face) => caption(face, models).replaceAll("\n", ", ") || []);
  return faces.length > 2 || captions.length === 0
    ? `${count} detected.`
    : `${count}: ${captions.join("; ")}.`;
}

/** Errors of getUserMedia by their names. */
const CAMERA_ERRORS: readonly (readonly [RegExp, string])[] = [
  [/^(NotAllowed|Security)Error$/, "Camera access was denied. Allow it next to the page's address"],
  [/^(NotFound|Overconstrained)Error$/, "No camera was found. Connect one"],
  [/^(NotReadable|Abort)Error$/, "Another program uses the camera. Close it"],
];

/** Describes an error of getUserMedia, and the way out. */
export function cameraError(name: string, secure: boolean): string {
  const insecure = "Browsers allow the camera on secure pages only. Open this page over https";
  const known = CAMERA_ERRORS.find(([names]) => names.test(name))?.[1];
  const what = secure ? known ?? `The camera does not start (${name}). Try again` : insecure;
  return `${what}, or choose a photo.`;
}
