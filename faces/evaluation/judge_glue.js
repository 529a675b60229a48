// deno-fmt-ignore-file: results keep their bytes. Connects the functions of judge_page.ts with the page.
// deno-lint-ignore-file no-empty -- a page of a file may have no storage
const { column, correct, suspects } = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id), place = "verdicts " + location.pathname;
let state = { at: 0, verdicts: [] };
try { state = JSON.parse(localStorage.getItem(place)) ?? state; } catch {}
function show() {
  const one = suspects[state.at], judged = state.verdicts.filter((one) => one).length;
  byId("place").textContent = one
    ? "Label " + (state.at + 1) + " of " + suspects.length + ", " + judged + " judged"
    : "All judged: download verdicts.csv";
  byId("image").hidden = !one;
  if (one) byId("image").src = one.image;
  byId("label").textContent = one ? column + ": " + one.label : "";
  byId("suggested").textContent = one ? "network: " + one.suggested : "";
}
function act(key) {
  state = press(state, key, suspects.length);
  try { localStorage.setItem(place, JSON.stringify(state)); } catch {}
  show();
}
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && event.target.tagName === "BUTTON") return;
  act(event.key);
});
for (const button of document.querySelectorAll("[data-key]")) {
  button.onclick = () => act(button.dataset.key);
}
byId("download").onclick = () => {
  const csv = new Blob([verdictsCsv(suspects, state.verdicts, column, correct)], { type: "text/csv" });
  const link = Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(csv), download: "verdicts.csv",
  });
  link.click();
};
show();
