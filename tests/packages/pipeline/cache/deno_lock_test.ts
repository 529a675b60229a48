import assert from "node:assert/strict";
import { DenoLock } from "../../../../packages/pipeline/cache/deno_lock.ts";

const lock = (change: (text: string) => string = (text) => text) =>
  new DenoLock(change(JSON.stringify({
    version: "5",
    specifiers: {
      "npm:sharp@0.35": "0.35.5",
      "npm:@scope/plot@1.2.0": "1.2.0_d3@7.0.0",
      "npm:alone@^2": "2.1.0",
    },
    npm: {
      "sharp@0.35.5": { dependencies: ["color@4.0.0"], optionalDependencies: ["sharp-linux"] },
      "sharp-linux@0.35.5": {},
      "color@4.0.0": { dependencies: ["names"] },
      "names@1.0.0": { dependencies: ["color@4.0.0"] },
      "@scope/plot@1.2.0_d3@7.0.0": { dependencies: ["d3"] },
      "d3@7.0.0": {},
      "alone@2.1.0": { integrity: "sha512-x" },
    },
  })));
const all = ["npm:sharp@0.35", "npm:@scope/plot@1.2.0/file.js", "npm:alone@^2"];

Deno.test("versions() are those of the lock, whatever was asked for", () => {
  const versions = lock().versions(all);
  assert.deepEqual(Object.keys(versions), ["sharp", "@scope/plot", "alone"]);
  assert.match(versions.sharp!, /^0\.35\.5 \(with [0-9a-f]{8}\)$/);
  assert.match(versions["@scope/plot"]!, /^1\.2\.0 \(with [0-9a-f]{8}\)$/);
  assert.equal(versions.alone, "2.1.0");
});

Deno.test("versions() change with a package far below, and with that alone", () => {
  const before = lock().versions(all);
  const now = lock((text) => text.replaceAll("names@1.0.0", "names@1.0.1")).versions(all);
  assert.notEqual(now.sharp, before.sharp);
  assert.equal(now["@scope/plot"], before["@scope/plot"]);
  assert.equal(now.alone, before.alone);
});

Deno.test("versions() of JSR packages are those of the lock, and of what they need", () => {
  const asked = ["jsr:@std/csv@1/parse", "jsr:@std/path@^1"];
  const versions = (streams: string, wasm = "1.0.0") =>
    new DenoLock(JSON.stringify({
      specifiers: {
        "jsr:@std/csv@1": "1.0.6",
        "jsr:@std/path@^1": "1.0.8",
        "jsr:@std/streams@^1.0.9": streams,
        "jsr:@std/streams@0.2": "0.2.0",
        "npm:wasm@1": wasm,
      },
      jsr: {
        "@std/csv@1.0.6": { dependencies: ["jsr:@std/streams@^1.0.9"] },
        "@std/path@1.0.8": {},
        "@std/streams@0.2.0": {},
        [`@std/streams@${streams}`]: { dependencies: ["npm:wasm"] },
      },
      npm: { [`wasm@${wasm}`]: {} },
    })).versions(asked);
  const before = versions("1.0.10");
  assert.match(before["@std/csv"]!, /^1\.0\.6 \(with [0-9a-f]{8}\)$/);
  assert.equal(before["@std/path"], "1.0.8");
  assert.notEqual(versions("1.0.11")["@std/csv"], before["@std/csv"]);
  assert.notEqual(versions("1.0.10", "1.0.1")["@std/csv"], before["@std/csv"]);
});

Deno.test("versions() have each version of a package that is there twice", () => {
  const specifiers = { "npm:zod@3": "3.25.1", "npm:zod@^4": "4.0.2", "npm:zod@4.0": "4.0.2" };
  const lock = new DenoLock(JSON.stringify({ specifiers }));
  assert.deepEqual(lock.versions(["npm:zod@3", "npm:zod@^4", "npm:zod@3/v4"]), {
    zod: "3.25.1",
    "zod@^4": "4.0.2",
  });
  assert.deepEqual(lock.versions(["npm:zod@^4", "npm:zod@4.0"]), { zod: "4.0.2" });
});

Deno.test("versions() without a lock are what was asked for", () => {
  assert.deepEqual(
    new DenoLock(undefined).versions(["npm:sharp@0.35.5", "npm:a@^1/b.js", "npm:c"]),
    {
      sharp: "0.35.5",
      a: "^1",
      c: "",
    },
  );
});

Deno.test("versions() of the project's own imports are pinned", async () => {
  const read = (name: string) => Deno.readTextFile(new URL(`../../../../${name}`, import.meta.url));
  const { imports } = JSON.parse(await read("deno.json")) as { imports: Record<string, string> };
  const versions = new DenoLock(await read("deno.lock")).versions(Object.values(imports));
  for (const [name, version] of Object.entries(versions)) {
    assert.match(version, /^\d+\.\d+\.\d+\S*( \(with [0-9a-f]{8}\))?$/, name);
    assert.ok(imports[name]!.endsWith(`@${version.split(" ")[0]}`), `${name}: ${imports[name]}`);
  }
});
