/** `--set split.test=0.1`, taken apart. */
import { ConfigError, type Location } from "../errors.ts";
import { parseYaml } from "./parse_yaml.ts";

/** A value that takes the place of the YAML's. */
export interface Override {
  readonly path: readonly string[];
  readonly value: unknown;
  /** Its place: as typed, or in a file. */
  readonly at: Location;
  /** Place of its name, if elsewhere. */
  readonly keyAt?: Location;
  /** Folder that a relative path counts from. Default: the current folder */
  readonly folder?: string;
}

/** Parses `a.b=value`; the value is YAML. @throws {ConfigError} */
export function parseOverride(argument: string): Override {
  const at = { text: `--set ${argument}` };
  const equals = argument.indexOf("=");
  const path = argument.slice(0, Math.max(equals, 0)).split(".").map((part) =>
    part.trim().normalize()
  );
  if (equals < 0 || path.some((part) => ["", "__proto__"].includes(part))) {
    throw ConfigError.at(at, "expected stage.parameter=value, as in --set split.test=0.1");
  }
  return { path, value: parseValue(argument.slice(equals + 1), at), at };
}

export function parseValue(text: string, at: Location): unknown {
  const { mistakes: [mistake], value } = parseYaml(text);
  if (mistake) throw ConfigError.at(at, `cannot read the value: ${mistake.message}`);
  return value;
}
