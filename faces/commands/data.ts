/** `deno task data`: looks at a data set, proposes a pipeline, and writes a page of what it found. */
import { basename, dirname, join, resolve } from "node:path";
import { type Command, EXIT } from "../../packages/pipeline/app.ts";
import { parseOptions, parseWhole } from "../../packages/pipeline/args.ts";
import { UsageError } from "../../packages/pipeline/errors.ts";
import { abortOnSignal } from "../../packages/pipeline/interrupt.ts";
import { resolveFrom } from "../../packages/pipeline/paths.ts";
import { standardOutput } from "../../packages/pipeline/reporter.ts";
import { ARCHIVE } from "../datasets/sources.ts";

const command: Command = {
  help: `Look at a folder or an archive of photos: propose a pipeline, and write a page.

  deno task data FOLDER|ARCHIVE [OPTIONS] > experiments/mine.yaml

  --preset NAME   take this preset. Default: the one that labels most photos, else columns and
                  names that look like labels
  --photos N      photos to open, a random subset: damage, copies, contact sheet. Default: 2000
  --page FILE     the page. Default: artifacts/data/NAME.html of the project
  --help

Prints YAML to standard output. The page shows what was understood: counts, ages, attributes,
problems (missing, unreadable, without labels, copies) and a contact sheet.

Exit codes: 0 labels were found, 1 none were, 2 wrong command line, 130 interrupted.`,
  async run(args, { cwd, project, reporter }) {
    const { values, positionals } = parseOptions("data", args, "preset= photos= page= help");
    const [place, ...more] = positionals;
    if (place === undefined || more.length > 0) {
      throw new UsageError("expected one folder or archive: deno task data FOLDER");
    }
    const { lookAt } = await import("./data/look_at.ts");
    const { proposePipeline } = await import("./data/propose_pipeline.ts");
    const { dataPage } = await import("../evaluation/data_page.ts");
    const folder = resolve(cwd, place);
    if (!await Deno.stat(folder).catch(() => undefined)) {
      throw new UsageError(`there is no such folder or archive: "${place}". Looked for ${folder}`);
    }
    using interrupt = abortOnSignal(reporter);
    const { preset } = values, { signal } = interrupt;
    const photos = parseWhole("photos", values) ?? 2000;
    const progress = reporter.startProgress("data");
    const found = await lookAt(folder, { preset, photos, signal, progress })
      .finally(() => progress[Symbol.dispose]());
    const page = resolveFrom(values.page ?? join(project, "artifacts/data", pageOf(folder)), cwd);
    await Deno.mkdir(dirname(page), { recursive: true });
    await Deno.writeTextFile(page, await dataPage(found));
    for (const line of [found.summary, ...found.hints]) reporter.log(line);
    reporter.log(`Page: ${page}`);
    standardOutput("stdout").write(proposePipeline(found));
    if (found.labels) reporter.log("Next: deno task run experiments/mine, or where the YAML went");
    return found.labels ? EXIT.ok : EXIT.failed;
  },
};
export default command;

/** Returns the name of a folder's page; names in any script stay apart. */
function pageOf(folder: string): string {
  const name = basename(folder).replace(ARCHIVE, "")
    .replaceAll(/[^\w.\u{80}-\u{10ffff}-]+/gu, "_");
  const { read } = new TextEncoder().encodeInto(name, new Uint8Array(230)); // at most 255 with .html
  return `${name.slice(0, read)}.html`;
}
