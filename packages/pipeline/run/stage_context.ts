/** The context that a stage runs with, in the runner or in the process of its plugin. */
import type { Extension } from "../config/extension.ts";
import type { StageContext } from "../stage.ts";
import { moduleName } from "./lineage.ts";

/** Facts that a stage has to declare before it reads them: its fingerprint would lack them. */
type Declared = Partial<Pick<StageContext, "seed" | "compute" | "lineage">>;

/** Returns the function that finds definitions of a kind among extensions. */
export function definitionsOf(extensions: readonly Extension[]): StageContext["definitions"] {
  return (kind) => extensions.flatMap((one) => one.kind === kind ? one.definition : []);
}

/** Returns a context that throws when the stage reads something undeclared. */
export function stageContextOf(
  { use, extensions, project }: {
    readonly use: string;
    readonly extensions: readonly Extension[];
    readonly project: string;
  },
  { seed, compute, lineage }: Declared,
  rest: Omit<StageContext, keyof Declared | "extension" | "definitions">,
): StageContext {
  const declared = <T>(value: T | undefined, name: string, flag = name): T => {
    if (value !== undefined) return value;
    throw new Error(
      `Stage "${use}" reads context.${name} without declaring it: add ${flag}: true to its ` +
        "definition.",
    );
  };
  return {
    ...rest,
    extension(kind, name) {
      const found = extensions.find((one) => one.kind === kind && one.name === name);
      return found && !found.isData ? moduleName(found.module, project) : undefined;
    },
    definitions: definitionsOf(extensions),
    get seed() {
      return declared(seed, "seed", "seeded");
    },
    get compute() {
      return declared(compute, "compute");
    },
    get lineage() {
      return declared(lineage, "lineage");
    },
  };
}
