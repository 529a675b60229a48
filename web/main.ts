/// <reference no-default-lib="true" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/// <reference lib="esnext" />
import type { Analysis, Face } from "../serving/api.ts";

const file = document.querySelector<HTMLInputElement>("#file")!;
const message = document.querySelector("#message")!;
const canvas = document.querySelector<HTMLCanvasElement>("#photo")!;
const list = document.querySelector("#faces")!;

file.addEventListener("change", async () => {
  const [photo] = file.files ?? [];
  if (!photo) return;
  message.textContent = "Looking for faces ...";
  list.replaceChildren();
  const response = await fetch("/predict?crops=true", {
    method: "POST",
    headers: { "content-type": photo.type },
    body: photo,
  });
  const answer = await response.json();
  if (!response.ok) {
    message.textContent = answer.error.message;
    return;
  }
  await show(photo, answer);
});

async function show(photo: Blob, { width, height, faces }: Analysis): Promise<void> {
  const picture = await createImageBitmap(photo);
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d")!;
  context.drawImage(picture, 0, 0, width, height);
  context.strokeStyle = "#ffcf33";
  context.lineWidth = Math.max(2, width / 300);
  for (const { box } of faces) context.strokeRect(box.x, box.y, box.width, box.height);
  message.textContent = faces.length === 1 ? "1 face found" : `${faces.length} faces found`;
  list.replaceChildren(...faces.map(item));
}

function item({ crop, gender, age }: Face): HTMLLIElement {
  const li = document.createElement("li");
  const image = document.createElement("img");
  image.src = crop!;
  image.alt = "The face as the networks see it";
  const said = [gender, age].filter((said) => said !== undefined).map((said) =>
    "years" in said
      ? `${said.years.toFixed(0)} ± ${said.error.toFixed(0)} years`
      : `${said.label} ${(said.probability * 100).toFixed(0)} %`
  );
  li.append(image, " ", said.join(", "));
  return li;
}
