/** `deno task data`: looks at a data set, proposes a pipeline, and writes a page of what it found. */
import { join, resolve } from "node:path";
import { type Command, EXIT } from "../../packages/pipeline/app.ts";
import { parseOptions, parsePositiveInt } from "../../packages/pipeline/args.ts";
import { UsageError } from "../../packages/pipeline/errors.ts";
import { abortOnSignal } from "../../packages/pipeline/interrupt.ts";

const command: Command = {
  help: `Look at a folder or an archive of photos: propose a pipeline, and write a page.

  deno task data FOLDER|ARCHIVE [OPTIONS] > experiments/mine.yaml

  --preset NAME   take this preset. Default: the one that labels most photos, else columns and
                  names that look like labels
  --photos N      photos to open, a random subset: damage, copies, contact sheet. Default: 2000
  --page FILE     the page. Default: data_NAME.html in the current folder
  --help

Prints YAML to standard output. The page shows what was understood: counts, ages, attributes,
problems (missing, unreadable, without labels, copies) and a contact sheet.

Exit codes: 0 labels were found, 1 none were, 2 wrong command line, 130 interrupted.`,
  async run(args, { cwd, reporter }) {
    const { values, positionals } = parseOptions("data", args, {
      preset: { type: "string" },
      photos: { type: "string" },
      page: { type: "string" },
      help: { type: "boolean", short: "h" },
    });
    const [place, ...more] = positionals;
    if (place === undefined || more.length > 0) {
      throw new UsageError("expected one folder or archive: deno task data FOLDER");
    }
    const { nameOf } = await import("../datasets/sources.ts");
    const { lookAt } = await import("./data/look_at.ts");
    const { dataPage } = await import("../evaluation/data_page.ts");
    const { proposePipeline } = await import("./data/propose_pipeline.ts");
    const folder = resolve(cwd, place);
    using interrupt = abortOnSignal(reporter, EXIT.interrupted);
    const found = await lookAt(folder, {
      preset: values.preset,
      photos: parsePositiveInt("photos", values) ?? 2000,
      signal: interrupt.signal,
    });
    const page = resolve(cwd, values.page ?? join(cwd, `data_${nameOf({ folder })}.html`));
    await Deno.writeTextFile(page, await dataPage(found));
    reporter.log(found.summary);
    reporter.log(`Page: ${page}`);
    await Deno.stdout.write(new TextEncoder().encode(proposePipeline(found)));
    return found.labels ? EXIT.ok : EXIT.failed;
  },
};
export default command;
