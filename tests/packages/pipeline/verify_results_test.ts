/** A flipped byte in any file of a result is noticed, and no more runs again than has to. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import { Interrupted } from "../../../packages/pipeline/errors.ts";
import { verifyResult } from "../../../packages/pipeline/verify_results.ts";
import { Project, reading } from "./toy/project.ts";

const CHAIN = `stages:
  count: { to: 40 }
  clamp: { inputs: { numbers: count }, max: 9 }
  sum: { inputs: { numbers: clamp } }
  compare:
`;

async function flip(path: string, at: number, bit: number): Promise<void> {
  const bytes = await Deno.readFile(path);
  bytes[at]! ^= 1 << bit;
  await Deno.writeFile(path, bytes);
}

Deno.test("verifyResult() notices a flipped bit anywhere", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  await project.run();
  const store = new ArtifactStore(project.path("artifacts"));
  let flips = 0;
  for (const place of await store.storedResults()) {
    assert.deepEqual((await verifyResult(place)).problems, []);
    for (const name of await project.files(`artifacts/${place.use}/${place.fingerprint}`)) {
      const path = join(place.path, name);
      const { size } = await Deno.stat(path);
      // Every bit of a byte, in steps through the file that end on its last byte.
      const step = Math.max(1, Math.floor(size / 40));
      for (let at = size - 1, bit = 0; at >= 0; at -= step, bit = (bit + 1) % 8) {
        await flip(path, at, bit);
        const { problems } = await verifyResult(place);
        assert.ok(problems.length > 0, `${place.use}/${name}, byte ${at}, bit ${bit}`);
        assert.match(
          problems.join(),
          name === "record.json" ? /record\.json|has another|is missing/ : /another content/,
        );
        await flip(path, at, bit);
        flips++;
      }
    }
    assert.deepEqual((await verifyResult(place)).problems, []);
  }
  assert.ok(flips > 200, String(flips));
});

Deno.test("verifyResult() ends where it is interrupted, and finds no damage", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  await project.run();
  const [place] = await new ArtifactStore(project.path("artifacts")).storedResults();
  const interrupted = () => {
    throw new Interrupted();
  };
  await assert.rejects(verifyResult(place!, interrupted), Interrupted);
});

const GATED = {
  "pipeline.yaml":
    "stages: { count: { to: 5 }, slow: { inputs: { numbers: count }, ms: 0, gate: gate } }",
};

/** Damages the result of `slow`, and waits until a run that makes it again is at the gate. */
async function remake(project: Project) {
  await project.run();
  const store = new ArtifactStore(project.path("artifacts"));
  const { path } = (await store.storedResults()).find(({ use }) => use === "slow")!;
  await Deno.truncate(`${path}/numbers/numbers.txt`, 3);
  await project.write({ gate: "" });
  const running = project.run();
  await project.atTheGate();
  return { running };
}

Deno.test("verify leaves a result alone that a run has made again meanwhile", async () => {
  await using project = await Project.make(GATED);
  const { running } = await remake(project);
  const verifying = reading(project.spawn(["verify"]));
  await verifying.until("another run is making this; waiting for it");
  await Deno.remove(project.path("gate"));
  assert.match((await running).why.slow!, /numbers\.txt has another size/);
  assert.equal((await verifying.rest()).code, 1);
  assert.equal((await project.run()).statuses.slow, "cached");
});

Deno.test("verify that waits to mark a damaged result ends where it is interrupted", async () => {
  await using project = await Project.make(GATED);
  const { running } = await remake(project);
  const process = project.spawn(["verify"]);
  const verifying = reading(process);
  await verifying.until("another run is making this; waiting for it");
  process.kill("SIGINT");
  const { code, out } = await verifying.rest();
  await Deno.remove(project.path("gate"));
  await running;
  assert.doesNotMatch(out, /cannot be marked/);
  assert.equal(code, 130);
});

Deno.test("verify", async (t) => {
  await using project = await Project.make({
    "pipeline.yaml": CHAIN,
    "other.yaml": "stages: { count: { to: 8 } }",
  });
  await project.here("run", "pipeline");
  await project.here("run", "other");
  const store = new ArtifactStore(project.path("artifacts"));
  const place = async (use: string) =>
    (await store.storedResults()).find((place) => place.use === use)!;
  await t.step("says that all is as it was made", async () => {
    const { code, out } = await project.here("verify");
    assert.equal(code, 0);
    assert.match(out, /^✓ 5 results, \d+ B: all as they were made\n$/);
    assert.match((await project.here("verify", "other")).out, /^✓ 1 result, 15 B: all/);
  });
  const { path, fingerprint } = await place("clamp");
  await flip(join(path, "numbers/numbers.txt"), 3, 0);
  await t.step("notices a flipped byte", async () => {
    const { code, out, err } = await project.here("verify", "--json");
    assert.equal(code, 1);
    assert.match(
      err,
      /^✗ clamp\/[0-9a-f]{16}: numbers\/numbers\.txt has another content\n1 of 5 results, /,
    );
    const { ok, results, damaged } = JSON.parse(out);
    assert.deepEqual([ok, results, damaged], [false, 5, [
      {
        use: "clamp",
        fingerprint,
        path,
        problems: ["numbers/numbers.txt has another content"],
      },
    ]]);
    assert.equal((await project.here("verify", "other")).code, 0);
    assert.deepEqual((await project.files()).filter((name) => name.startsWith(".work")), []);
  });
  await t.step("says so again until it is made again", async () => {
    assert.equal((await project.here("verify")).code, 1);
  });
  await t.step("and only what is needed runs again", async () => {
    const { statuses, why } = await project.run();
    assert.deepEqual(statuses, { count: "cached", clamp: "ran", sum: "cached", compare: "cached" });
    assert.equal(why.clamp, "numbers/numbers.txt has another content");
    assert.equal((await project.here("verify")).code, 0);
  });
  await t.step("a record that is no record costs its stage", async () => {
    const { path } = await place("sum");
    await Deno.writeTextFile(join(path, "record.json"), "{");
    assert.match((await project.here("verify")).out, /^✗ sum\/\w+: record\.json cannot be read\n/);
    const { statuses } = await project.run();
    assert.deepEqual(statuses, { count: "cached", clamp: "cached", sum: "ran", compare: "cached" });
    assert.equal((await project.here("verify")).code, 0);
  });
  await t.step("leaves alone what is not a part", async () => {
    const { path } = await place("sum");
    await Deno.writeTextFile(join(path, "total/.DS_Store"), "");
    const { code, out } = await project.here("verify");
    assert.equal(code, 0);
    assert.match(
      out,
      /^ {2}sum\/\w+: total\/\.DS_Store is no part of it; it is left alone\n✓ 5 results/,
    );
  });
  await t.step("takes a folder that exists, and makes none", async () => {
    for (const command of ["verify", "gc", "runs"]) {
      const { code, err } = await project.here(command, "--artifacts", project.path("nowhere"));
      assert.deepEqual([code, /--artifacts .*nowhere: there is no such folder/.test(err)], [
        2,
        true,
      ]);
    }
    assert.ok(!(await project.files()).includes("nowhere"));
  });
  await t.step("of a pipeline whose YAML is not here, reads what its newest run used", async () => {
    await Deno.rename(project.path("other.yaml"), project.path("elsewhere"));
    assert.match((await project.here("verify", "other")).out, /^✓ 1 result, 15 B: all/);
    assert.equal((await project.here("verify", "others")).code, 2);
  });
  await t.step("of a pipeline without results in the folder, is an error", async () => {
    await Deno.mkdir(project.path("empty"));
    const { code, err } = await project.here("verify", "pipeline", "--artifacts", "empty");
    assert.match(err, /^error: "pipeline" has no result in .*empty; --artifacts names another\n$/);
    assert.equal(code, 2);
  });
  await t.step("takes one pipeline", async () => {
    assert.equal((await project.here("verify", "pipeline", "other")).code, 2);
  });
});
