/** Text of --help. */
import type { App } from "../app.ts";

/** Returns the list of commands, those of the app included. */
export function mainHelp({ summary, tasks = [] }: App): string {
  return `${summary ?? "Reproducible experiments from a YAML file."}

  deno task run PIPELINE      run a pipeline
  deno task serve [PIPELINE]  start its services
  deno task graph [PIPELINE]  print its stages as a Mermaid diagram
  deno task schema [PIPELINE] write the JSON Schema for completion in editors
  deno task runs [PIPELINE]   list runs with date, duration and metrics
  deno task verify [PIPELINE] read every result and report damage
  deno task gc                remove results that no listed run needs
  deno task push [RUN]        copy a run and its results to the pipeline's remote
  deno task pull [RUN]        copy a run and its results from there
  deno task remote status     list what is there
${tasks.map((line) => `  deno task ${line}\n`).join("")}  deno task test              run the tests

Each takes --help. A PIPELINE is a YAML file: "pipeline" is pipeline.yaml, "experiments/first" is
experiments/first.yaml; or a run's id, for "run", "serve", "graph" and "verify": its pipeline
with the values that it was given.`;
}

const REMOTE_OPTIONS =
  `  --remote URL             s3://bucket/prefix or a folder, in place of the YAML's remote
  --artifacts FOLDER       another folder than artifacts/ in the project
  --help

The keys of a bucket are read from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN;
AWS_REGION and AWS_ENDPOINT_URL name its region and server.
Exit codes: 0 all is there, 1 something is not, 2 the command line is wrong, 130 interrupted.`;

export const HELP = {
  run: `Run a pipeline: every stage whose result is not there yet.

  deno task run PIPELINE [OPTIONS]

  --set STAGE.PARAM=VALUE  override a value of the YAML, as in --set split.test=0.1
                           --set 'split.stratify=[gender, age]' (may be repeated)
  --seed N                 override the seed
  --sweep KEY=V1,V2        run every combination of values, as in --sweep seed=1,2,3
                           --sweep split.test=0.1,0.2 (may be repeated)
  --jobs N                 concurrent runs of a sweep, each with its share of the cores; default:
                           one per core, at most 4; with executor: bullmq one per worker
  --point N                of a sweep, only the Nth combination
  --until STAGE            run this stage and what it needs (may be repeated)
  --from STAGE             run this stage and what needs it (may be repeated)
  --only STAGE             run this stage alone (may be repeated)
  --force STAGE            run this stage even if its result is there (may be repeated)
  --dry-run                print what would run and why, and run nothing
  --json                   print one JSON object to stdout at the end; all else goes to stderr
  --help

A sweep may stand in the YAML as well: sweep: { seed: [1, 2, 3] }. Shared results are made once, a
failed run does not end the others, and mean and spread over seeds are printed. "seed" varies
everything random: samples, splits, initial weights, the order of the data, dropout. "split.seed"
varies only what that stage draws, on the same data.

Exit codes: 0 done, 1 a stage failed, 2 the config or the command line is wrong, 130 interrupted.
Ctrl-C stops after the step at hand; the next run resumes there.`,
  serve: `Start a pipeline's services. What they need runs first, if it has not run yet.

  deno task serve [PIPELINE] [OPTIONS]      (default PIPELINE: pipeline)

  --host ADDRESS           listen on another address than 127.0.0.1, which is for this machine
                           alone; 0.0.0.0 lets in all who can reach it
  --set STAGE.PARAM=VALUE  override a value of the YAML
  --seed N                 override the seed
  --help`,
  graph: `Print a pipeline's stages as a Mermaid flowchart, which GitHub and mermaid.live draw.

  deno task graph [PIPELINE] [--set STAGE.PARAM=VALUE]     (default PIPELINE: pipeline)

Outputs find inputs by kind. In the YAML, B: { replaces: A } on a stage that makes A's kind of
output out of it puts B between A and every stage that would take A's output; an explicit
B: { inputs: { NAME: STAGE } } wins.`,
  schema: `Write PIPELINE.schema.json beside a pipeline: completion and checks in editors that know
the YAML language server. It has the built-in stages and the pipeline's own plugins. For the
project's own pipeline.yaml docs/reference.md is written too, if it exists.

  deno task schema [PIPELINE] [--check]     (default PIPELINE: pipeline)

  --check                  write nothing; exit with 1 if what is there is out of date`,
  runs:
    `List the runs of an artifact folder: what ran, when, how long, with which metrics on the test set.
A run that made nothing new is listed only if it used other results than the last of its pipeline.

  deno task runs [PIPELINE ...] [OPTIONS]   (default: all pipelines)
  deno task runs ID                         (one run, and the folders of its results)

  --last N                 only the last N
  --forget RUN             take a run off the list; gc removes what only it used (may be repeated)
  --json                   print one JSON object to stdout: all that is known of each run
  --artifacts FOLDER       another folder than artifacts/ in the project
  --help

A RUN is named by its id, the beginning of it, or its pipeline's name (its newest run).`,
  verify:
    `Read every file of every result and compare it with what was recorded when it was made. What is
damaged is marked; the next run that needs it makes it again, and what follows only if something
else comes out.

  deno task verify [PIPELINE] [OPTIONS]     (all results; of a PIPELINE, those that it used last,
                                             of a sweep in all its runs)

  --json                   print one JSON object to stdout
  --artifacts FOLDER       another folder than the pipeline's, or artifacts/ in the project
  --help

Exit codes: 0 all as it was made, 1 something is not, 2 the command line is wrong, 130 interrupted.`,
  gc:
    `Remove results that no listed run needs, after printing which and how much. What a pipeline used
last stays until its run is forgotten, as does what live runs may need.

  deno task gc [OPTIONS]

  --keep N                 first forget all but the last N runs or sweeps of each pipeline
  --interrupted            also remove the files that interrupted stages would resume from
  --dry-run                only print what would be removed
  --yes                    do not ask (without a terminal it is needed)
  --json                   print one JSON object to stdout
  --artifacts FOLDER       another folder than artifacts/ in the project
  --help`,
  push:
    `Copy a run's results to the remote of its pipeline, and list the run there; of a pipeline whose
newest run is one of a sweep, all of that sweep. What is there already is not copied again; an
interrupted push resumes. A result of the same inputs that someone else pushed before stays.

  deno task push [RUN] [OPTIONS]            (default RUN: the newest of pipeline.yaml)

${REMOTE_OPTIONS}`,
  pull:
    `Copy a run's results from the remote of its pipeline, and list the run here, or all of a sweep as push
does: to predict, compare and evaluate as if it had run here; serve also needs its YAML. Each file
is compared with its digest. An interrupted pull resumes.

  deno task pull [RUN] [OPTIONS]            (default RUN: the newest of pipeline.yaml there)

${REMOTE_OPTIONS}`,
  remote: `List the runs at the remote of a pipeline, and whether the last run here is there.

  deno task remote status [PIPELINE] [OPTIONS]     (default PIPELINE: pipeline)

${REMOTE_OPTIONS}`,
} as const;
