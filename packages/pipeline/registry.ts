/** Stage name → stage. Filled from explicit lists, then frozen; modules load when they are asked for. */
import { didYouMean, joinWords } from "./errors.ts";
import { addChoices, type Extension } from "./config/extension.ts";
import type { Stage } from "./stage.ts";

/** A stage that can be loaded: its name, its module and how to import it. */
export interface LazyStage {
  readonly name: string;
  /** URL of the module; the result of the stage depends on it and on all it imports. */
  readonly module: string;
  /** Default: false. */
  readonly plugin?: boolean;
  load(): Promise<{ default: Stage }>;
}

export interface RegisteredStage {
  readonly stage: Stage;
  readonly module: string;
  /** True if a plugin has it: an error's place in the module is then reported. */
  readonly plugin: boolean;
}

export class Registry {
  #sources = new Map<string, LazyStage>();
  #extensions: Extension[] = [];
  #frozen = false;

  /** Adds stages. Throws when a name is taken or the registry is frozen. */
  add(sources: readonly LazyStage[]): this {
    for (const source of sources) {
      if (this.#frozen) {
        throw new Error(
          `Cannot register stage "${source.name}": stages are registered before the run starts.`,
        );
      }
      const other = this.#sources.get(source.name);
      if (other) {
        throw new Error(
          `Cannot register stage "${source.name}" of ${source.module}: ${other.module} has that ` +
            "name already. Rename one of them.",
        );
      }
      this.#sources.set(source.name, source);
    }
    return this;
  }

  /** Adds to the choices of stages. Throws when a name is taken or the registry is frozen. */
  extend(extensions: readonly Extension[]): this {
    for (const one of extensions) {
      if (this.#frozen) {
        throw new Error(
          `Cannot register ${one.kind} "${one.name}": plugins are registered before the run starts.`,
        );
      }
      const other = this.#extensions.find(({ kind, name }) =>
        kind === one.kind && name === one.name
      );
      if (other) {
        throw new Error(
          `Cannot register ${one.kind} "${one.name}" of ${one.module}: ${other.module} has that ` +
            "name already. Rename one of them.",
        );
      }
      this.#extensions.push(one);
    }
    return this;
  }

  get extensions(): readonly Extension[] {
    return this.#extensions;
  }

  freeze(): this {
    this.#frozen = true;
    return this;
  }

  names(): string[] {
    return [...this.#sources.keys()];
  }

  has(name: string): boolean {
    return this.#sources.has(name);
  }

  /** Loads a stage. Throws when the name is unknown or its module does not hold that stage. */
  async get(name: string): Promise<RegisteredStage> {
    const source = this.#sources.get(name);
    if (!source) throw new Error(this.unknown(name));
    const { default: stage } = await source.load();
    if (stage?.name !== name) {
      throw new Error(
        `${source.module} is registered as stage "${name}", but its default export is ` +
          `${stage?.name ? `stage "${stage.name}"` : "not a stage (use defineStage)"}.`,
      );
    }
    const { module, plugin = false } = source;
    if (this.#extensions.length === 0) return { stage, module, plugin };
    const params = addChoices(stage.params, this.#extensions);
    return { stage: Object.freeze({ ...stage, params }), module, plugin };
  }

  /** Says that a stage is unknown, which one may be meant, and which there are. */
  unknown(name: string): string {
    return `no stage is called "${name}".${didYouMean(name, this.names())} ` +
      `There are ${joinWords(this.names())}.`;
  }
}
