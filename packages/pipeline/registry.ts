/** Stage name → stage. Filled from explicit lists; modules load on demand. */
import { checkDefinition } from "./check_definition.ts";
import { didYouMean, joinWords, quote } from "./errors.ts";
import { addChoices, type Extension } from "./config/extension.ts";
import { pluginName } from "./paths.ts";
import type { Stage } from "./stage.ts";

export interface LazyStage {
  readonly name: string;
  /** URL of the module; the result of the stage depends on it and on all it imports. */
  readonly module: string;
  /** True if a plugin has it: errors then report their place in the module. Default: false */
  readonly plugin?: boolean;
  /** Granted rights, if it is of a third-party plugin. */
  readonly rights?: readonly string[];
  load(): Promise<{ default: Stage }>;
}

export class Registry {
  #sources = new Map<string, LazyStage>();
  readonly extensions: Extension[] = [];

  /** Adds stages. @throws if a name is taken */
  add(sources: readonly LazyStage[]): this {
    for (const source of sources) {
      this.#check("stage", source, this.#sources.get(source.name));
      this.#sources.set(source.name, source);
    }
    return this;
  }

  /** Adds values to choices of stages. @throws if one is malformed, or its name is taken */
  extend(extensions: readonly Extension[]): this {
    for (const one of extensions) {
      // Of a third-party plugin, its process does so, which has the functions.
      if (!one.definition.sandbox) checkDefinition(one.definition, one.module);
      const same = ({ kind, name }: Extension) => kind === one.kind && name === one.name;
      this.#check(one.kind, one, this.extensions.find(same));
      this.extensions.push(one);
    }
    return this;
  }

  #check(kind: string, { name, module }: LazyStage | Extension, other?: LazyStage | Extension) {
    if (!other) return;
    const [own, others] = [module, other.module].map(pluginName);
    throw new Error(
      `Cannot register ${kind} "${name}" of ${own}: ${others} has that name already. ` +
        `${own === others ? "Remove" : "Rename"} one of them.`,
    );
  }

  names(): string[] {
    return [...this.#sources.keys()];
  }

  has(name: string): boolean {
    return this.#sources.has(name);
  }

  /** Loads a stage. Throws when the name is unknown or its module does not hold that stage. */
  async get(name: string): Promise<Omit<LazyStage, "name" | "load"> & { readonly stage: Stage }> {
    const source = this.#sources.get(name);
    if (!source) throw new Error(this.unknown(name));
    const { module, plugin, rights } = source;
    const { default: stage } = await source.load();
    if (stage?.name !== name) {
      throw new Error(
        `${module} is registered as stage "${name}", but its default export is ` +
          `${stage?.name ? `stage "${stage.name}"` : "not a stage (use defineStage)"}.`,
      );
    }
    if (this.extensions.length === 0) return { stage, module, plugin, rights };
    const params = addChoices(stage.params, this.extensions);
    return { stage: Object.freeze({ ...stage, params }), module, plugin, rights };
  }

  /** Returns the message that a stage is unknown, with the nearest name and all names. */
  unknown(name: string): string {
    return `no stage is called ${quote(name)}.${didYouMean(name, this.names())} ` +
      `There are ${joinWords(this.names())}.`;
  }
}
