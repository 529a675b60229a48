/** What --help says. */

export const HELP = {
  main: `Reproducible experiments on faces, from a YAML file.

  deno task run PIPELINE      run a pipeline
  deno task serve [PIPELINE]  start its services, such as the webcam page
  deno task predict FOLDER    ask a run's models about every face of a folder of pictures
  deno task graph [PIPELINE]  print its stages as a Mermaid diagram
  deno task schema [PIPELINE] write the JSON Schema that editors complete from
  deno task test              run the tests

Each takes --help. A PIPELINE is a YAML file: "pipeline" is pipeline.yaml, "experiments/faces" is
experiments/faces.yaml.`,
  run: `Run a pipeline: every stage whose result is not there yet.

  deno task run PIPELINE [OPTIONS]

  --set STAGE.PARAM=VALUE  override a value of the YAML, as in --set split.test=0.1
                           --set 'download.datasets=[wiki_crop]' (may be repeated)
  --seed N                 override the seed
  --until STAGE            run this stage and what it needs
  --from STAGE             run this stage and what needs it
  --only STAGE             run this stage alone
  --force STAGE            run this stage even if its result is there (may be repeated)
  --dry-run                say what would run and why, and run nothing
  --json                   print one JSON object to stdout at the end; all else goes to stderr
  --help

Exit codes: 0 done, 1 a stage failed, 2 the config or the command line is wrong, 130 interrupted.
Ctrl-C stops after the step at hand; the next run goes on from there.`,
  serve: `Start a pipeline's services. What they need runs first, if it has not run yet.

  deno task serve [PIPELINE] [OPTIONS]      (PIPELINE: pipeline unless given)

  --host ADDRESS           listen on another address than 127.0.0.1, which is for this machine
                           alone; 0.0.0.0 lets in all who can reach it
  --set STAGE.PARAM=VALUE  override a value of the YAML, as in --set webcamServe.port=9000
  --seed N                 override the seed
  --help`,
  graph: `Print a pipeline's stages as a Mermaid flowchart, which GitHub and mermaid.live draw.

  deno task graph [PIPELINE] [--set STAGE.PARAM=VALUE]     (PIPELINE: pipeline unless given)`,
  schema: `Write PIPELINE.schema.json beside a pipeline: completion and checks in editors that know
the YAML language server. It has the built-in stages and the pipeline's own plugins. For the
project's own pipeline.yaml the README's reference is written too.

  deno task schema [PIPELINE] [--check]     (PIPELINE: pipeline unless given)

  --check                  write nothing; exit with 1 if what is there is out of date`,
} as const;
