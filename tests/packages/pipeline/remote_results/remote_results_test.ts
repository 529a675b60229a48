/** Results that are shared: through a folder, and through a bucket that fails in many ways. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ArtifactStore } from "../../../../packages/pipeline/artifact_store.ts";
import { History } from "../../../../packages/pipeline/history.ts";
import { openPlace } from "../../../../packages/pipeline/remote_results/place.ts";
import {
  PART,
  RemoteResults,
} from "../../../../packages/pipeline/remote_results/remote_results.ts";
import type { StageRecord } from "../../../../packages/pipeline/stage_record.ts";
import { withChecksum, writeState } from "../../../../packages/pipeline/state.ts";
import { Project, stageUrl } from "../toy/project.ts";
import { error, FakeS3, type Fault } from "./fake_s3.ts";
import { storeLarge, texts } from "./stored_results.ts";

const CHAIN = `stages:
  count: { to: 4 }
  add: { by: 2 }
  sum: { inputs: { numbers: add } }
`;

/** Returns the file of the results that the only pipeline of a project used last. */
async function latest(project: Project): Promise<string> {
  const [file] = await Array.fromAsync(Deno.readDir(project.path("artifacts/.latest")));
  return file!.name;
}

Deno.test("a run that was pushed into a folder", async (t) => {
  await using first = await Project.make({ "pipeline.yaml": `remote: ./shared\n${CHAIN}` });
  await using second = await Project.make();
  await second.write({ "pipeline.yaml": `remote: ${first.path("shared")}\n${CHAIN}` });
  const { id } = await first.run();
  await t.step("is there", async () => {
    const { code, out } = await first.cli("push");
    assert.equal(code, 0, out);
    assert.match(out, /✓ count {2}7 B\n.*\n.*\npushed run [0-9a-f]{8} to \/.*shared\n$/);
    assert.match((await first.cli("push")).out, /✓ count {2}was there\n/);
    const status = await first.cli("remote", "status");
    assert.match(status.out, /shared: 3 results, \d+ B\nrun +ended +pipeline\n/);
    assert.match(status.out, new RegExp(`\\n${id} .* pipeline\n.*: 3 of 3 results are there\n$`));
  });
  await t.step("and counted for the pipeline that is named", async () => {
    await using other = await Project.make({
      "pipeline.yaml": `remote: ${first.path("shared")}\n${CHAIN}`,
      "later.yaml": `remote: ${first.path("shared")}\nstages: { count: { to: 9 } }\n`,
    });
    for (const name of ["pipeline", "later"]) {
      assert.equal((await other.cli("run", name)).code, 0);
    }
    const last = async (...names: string[]) =>
      (await other.cli("remote", "status", ...names)).out.trim().split("\n").at(-1);
    assert.match((await last())!, /of later: 0 of 1 results are there$/);
    assert.match((await last("pipeline"))!, /of pipeline: 3 of 3 results are there$/);
  });
  await t.step("and nothing that killed pushes left, once it is old", async () => {
    const left = first.path("shared/.incoming"), old = new Date(Date.now() - 2 * 86_400_000);
    await Deno.mkdir(left, { recursive: true });
    for (const name of ["old", "new"]) await Deno.writeTextFile(join(left, name), "part");
    await Deno.utime(join(left, "old"), old, old);
    assert.equal((await first.cli("push")).code, 0);
    assert.deepEqual(Array.from(Deno.readDirSync(left), ({ name }) => name), ["new"]);
    const beside = (await first.files("shared")).filter((name) => !/^v1\/|^\.incoming/.test(name));
    assert.deepEqual(beside, []);
  });
  await t.step("is taken before a run computes", async () => {
    const dry = await second.run({ dryRun: true });
    assert.match(dry.text, /^> count {2}would pull 7 B from .*shared\n> add {4}would pull/);
    assert.deepEqual(await second.files(), [".cache/modules.json"]);
    const { text, statuses, id } = await second.run();
    assert.deepEqual(statuses, { count: "cached", add: "cached", sum: "cached" });
    assert.match(text, /^· count {2}pulled 7 B from .*shared\n· add/);
    assert.ok(id, "it is listed");
    assert.deepEqual(await texts(second), await texts(first));
  });
  await t.step("is listed where it was pulled, and all there is to it", async () => {
    await using third = await Project.make({ "pipeline.yaml": CHAIN });
    const remote = ["--remote", first.path("shared")];
    const { code, out } = await third.cli("pull", id!.slice(0, 5), ...remote);
    assert.equal(code, 0, out);
    assert.match(out, /✓ sum {2}2 B\npulled run [0-9a-f]{8} of pipeline\n$/);
    assert.deepEqual(await texts(third), await texts(first));
    const { statuses, id: again } = await third.run();
    assert.deepEqual([Object.values(statuses), again], [["cached", "cached", "cached"], undefined]);
    assert.match((await third.cli("runs")).out, new RegExp(`\n${id} `));
    const wrong = await third.cli("pull");
    assert.match(wrong.err, /^error: "pipeline.yaml" has no remote\. Write remote: s3:/);
    assert.equal(wrong.code, 2);
    assert.match(
      (await third.cli("pull", "zzz", ...remote)).err,
      /^error: there is no run "zzz"\..*; deno task remote status --remote .*shared lists them\.$/m,
    );
  });
  await t.step("is listed beside a record that is too large", async () => {
    await Deno.writeFile(first.path("shared/v1/runs/huge.json"), new Uint8Array());
    await Deno.truncate(first.path("shared/v1/runs/huge.json"), 2 ** 26 + 1);
    const { code, out } = await first.cli("remote", "status");
    assert.equal(code, 0, out);
    assert.match(out, new RegExp(`^huge\\.json cannot be read; it is passed over\n[^]*\n${id} `));
    await Deno.writeTextFile(
      first.path("shared/v1/runs/huge.json"),
      `{"checksum":"","at":${"[".repeat(1e6)}${"]".repeat(1e6)}}`,
    );
    const pipe = first.path("shared/v1/runs/pipe.json");
    await new Deno.Command("mkfifo", { args: [pipe] }).output();
    await Deno.symlink("/dev/zero", first.path("shared/v1/runs/zero.json"));
    const odd = await second.cli("remote", "status");
    for (const name of ["pipe", "zero"]) {
      assert.match(odd.out, new RegExp(`^${name}\\.json cannot be read; it is passed over$`, "m"));
      await Deno.remove(first.path(`shared/v1/runs/${name}.json`));
    }
    const deep = await second.cli("remote", "status");
    assert.match(deep.out, /^huge\.json cannot be read; it is passed over\n/);
    await Deno.remove(first.path("shared/v1/runs/huge.json"));
  });
  await t.step("writes nothing outside of the folder, whatever a record there names", async () => {
    const folder = first.path("shared/v1/runs");
    const [name] = await first.files("shared/v1/runs");
    const { checksum: _, file: __, ...run } = JSON.parse(
      await Deno.readTextFile(join(folder, name)),
    );
    const path = join(folder, "2000-x-deadbeef.json");
    await writeState(path, { ...run, id: "deadbeef", pipeline: "../../deno" });
    const { code, out } = await second.cli("pull", "deadbeef");
    assert.equal(code, 2);
    assert.match(out, /runs\/2000-x-deadbeef\.json is not that run's; it is passed over/);
    assert.equal(await Deno.readTextFile(second.path("deno.json")), "{}");
    await Deno.remove(path);
  });
  await t.step("runs no code that a record from there names", async () => {
    const code = second.path("other/code.js"), ran = second.path("other/ran");
    await second.write({
      "other/code.js": `Deno.writeTextFileSync(${JSON.stringify(ran)}, ""); export default [];`,
      "other/other.yaml": `plugins: [{ use: ./code.js, allow: [all] }]\n${CHAIN}`,
    });
    const [name] = await first.files("shared/v1/runs");
    const { checksum: _, ...run } = JSON.parse(
      await Deno.readTextFile(first.path("shared/v1/runs", name!)),
    );
    const forge = async (more: object) => {
      const path = second.path("artifacts/runs/2000-x-deadbeef.json");
      await writeState(path, { ...run, id: "deadbeef", ...more });
    };
    await forge({ overrides: { " plugins ": [{ use: code, allow: ["all"] }] } });
    for (const command of ["run", "serve", "graph"]) {
      const { code, err } = await second.cli(command, "deadbeef");
      assert.equal(code, 2);
      assert.match(err, /run deadbeef was given plugins, .* Give them again: --set ' plugins =\[/);
    }
    for (const file of [second.path("../other.yaml"), "../other.yaml", "a/../../other.yaml"]) {
      await forge({ file });
      for (const command of ["run", "push"]) {
        const { code, err } = await second.cli(command, "deadbeef");
        assert.equal(code, 2);
        assert.match(
          err,
          /run deadbeef is of ".*\/other\.yaml", which lies outside of the project/,
        );
      }
    }
    await forge({ file: "experiments/gone.yaml" });
    const gone = await second.cli("run", "deadbeef");
    assert.equal(gone.code, 2);
    assert.match(
      gone.err,
      /^error: run deadbeef is of "experiments\/gone", whose YAML is not there: .* from where the run was made\.$/m,
    );
    await assert.rejects(Deno.stat(ran), Deno.errors.NotFound);
    await Deno.remove(second.path("artifacts/runs/2000-x-deadbeef.json"));
  });
  await t.step("names what is no place", async () => {
    const nowhere = await first.cli("pull", "--remote", first.path("shard"));
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.out, /^Cannot share with .*shard: there is no such folder\. Push a run/);
    await Deno.symlink(first.path("unmounted"), first.path("link"));
    const lost = await first.cli("push", "--remote", first.path("link"));
    assert.match(lost.out, /^Cannot share with .*link: No such file or directory/);
    assert.equal(lost.code, 1);
    const file = await first.cli("push", "--remote", first.path("pipeline.yaml"));
    assert.match(file.out, /^Cannot share with .*pipeline\.yaml: it is no folder\. Name one/);
    const deep = await first.cli("push", "--remote", first.path("unmounted/shared"));
    assert.match(
      deep.out,
      /^Cannot share with .*: there is no folder ".*unmounted"\. Make or mount it/,
    );
    assert.equal(deep.code, 1);
    await assert.rejects(Deno.stat(first.path("unmounted")), Deno.errors.NotFound);
    for (const url of ["http://host/x", "gs://bucket", "s3://", "s3://bucket/a/../b", ""]) {
      const { code, err } = await first.cli("push", "--remote", url);
      const message = url === ""
        ? 'expected a value after --remote, got ""'
        : `--remote "${url}": expected s3://bucket/prefix (no part of which is . or ..) or a folder`;
      assert.deepEqual([code, err], [2, `error: ${message}\n`]);
    }
    assert.throws(
      () => openPlace({ url: "s3://bucket", endpoint: "host" }, new AbortController().signal),
      /AWS_ENDPOINT_URL "host": expected http:\/\/HOST/,
    );
  });
  await t.step("names the way out of damage there", async () => {
    const there = first.path("shared", "v1");
    const damage = async (folder: string, text: string) => {
      const [{ name }] = await Array.fromAsync(Deno.readDir(join(there, folder)));
      const path = join(there, folder, name), whole = await Deno.readFile(path);
      await Deno.writeTextFile(path, text, { append: folder === "objects" });
      return () => Deno.writeFile(path, whole);
    };
    const damaged = await damage("results/sum", "half a rec");
    const push = await first.cli("push");
    assert.equal(push.code, 1);
    assert.match(push.out, /✗ sum .*\. Remove it there, and push the result again\n/);
    await damaged();
    await using third = await Project.make();
    await damage("objects", "more");
    const pull = await third.cli("pull", id!, "--remote", first.path("shared"));
    assert.match(
      pull.out,
      /✗ \w+ {2}v1\/objects\/.* there has \d+ bytes, not \d\. Push it again\n/,
    );
    assert.match(pull.out, /✓ \w+ .*\n/, "the others are pulled");
    assert.equal((await first.cli("push")).code, 0);
    assert.equal((await third.cli("pull", id!, "--remote", first.path("shared"))).code, 0);
  });
  await t.step("is not asked for what is forced", async () => {
    const { statuses } = await second.run({ force: ["sum"] });
    assert.equal(statuses.sum, "ran");
  });
});

Deno.test("a pipeline's name pushes and pulls all runs of its sweep, and each result once", async () => {
  const yaml = `remote: ./shared\nsweep: { add.by: [3, 4, 5] }\n${CHAIN}`;
  await using project = await Project.make({ "pipeline.yaml": yaml });
  assert.equal((await project.here("run", "pipeline")).code, 0);
  await project.run({ set: ["count.to=2"] }); // not of the sweep, and not the newest
  assert.equal((await project.here("run", "pipeline", "--force", "sum")).code, 0);
  const runs = async (one: Project) =>
    (await new History(one.path("artifacts")).list()).filter(({ point }) => point);
  const own = await runs(project), newest = own.slice(-3).map(({ id }) => id);
  const first = await project.here("push");
  assert.equal(first.code, 0, first.out);
  const pushed = first.out.match(/(?<=^pushed run )\w+/gm);
  assert.deepEqual(pushed?.toSorted(), newest.toSorted());
  assert.deepEqual(first.out.match(/^✓ \w+/gm)?.toSorted(), [
    ...["✓ add", "✓ add", "✓ add", "✓ count", "✓ sum", "✓ sum", "✓ sum"],
  ]);
  await using other = await Project.make({ "pipeline.yaml": CHAIN });
  const from = ["--remote", project.path("shared")];
  const one = await other.cli("pull", newest[0]!, ...from);
  assert.deepEqual(one.out.match(/^pulled run \w+/gm), [`pulled run ${newest[0]}`]);
  assert.equal((await other.cli("pull", "pipeline", ...from)).code, 0);
  assert.deepEqual((await runs(other)).map(({ id }) => id).sort(), newest.toSorted());
  const { add } = JSON.parse(
    await Deno.readTextFile(other.path("artifacts/.latest", await latest(other))),
  ).used;
  assert.equal(add.fingerprint, own.at(-1)!.stages.find(({ id }) => id === "add")!.fingerprint);
});

Deno.test("a pipeline's name is taken as such, also where it begins the id of its newest run", async () => {
  const yaml = `remote: ./shared\nsweep: { add.by: [3, 4] }\n${CHAIN}`;
  await using project = await Project.make({ "pipeline.yaml": yaml });
  assert.equal((await project.here("run", "pipeline")).code, 0);
  const history = new History(project.path("artifacts")), runs = await history.list();
  const name = runs.at(-1)!.id.slice(0, 3), file = `${name}.yaml`;
  await project.write({ [file]: yaml });
  for (const run of runs) {
    const path = (await history.names()).find((path) => path.endsWith(`-${run.id}.json`))!;
    await writeState(join(history.folder, path), { version: 1, ...run, file });
  }
  const { out } = await project.here("push", name);
  assert.equal(out.match(/^pushed run /gm)?.length, 2, out);
});

Deno.test("outputs that parameters decide have any names, and are pushed and pulled", async () => {
  const words = `import { z } from "zod";
    import { defineKind, defineStage } from "${stageUrl}";
    const text = defineKind({ kind: "text", summary: "A text", files: { "a.txt": "it" } });
    const names = (params) => Object.fromEntries(params.of.map((name) => [name, text]));
    export default defineStage({
      name: "words", summary: "Write words", inputs: {}, outputs: {}, outputsOf: names,
      params: z.strictObject({ of: z.array(z.string()).describe("Names") }),
      async run(_, { of }, { outputs }) {
        for (const name of of) await Deno.writeTextFile(outputs[name] + "/a.txt", name);
      },
    });`;
  const yaml = (of: string) =>
    `remote: ./shared\nplugins: [words.ts]\nstages: { words: { of: ${of} } }`;
  await using project = await Project.make({
    "pipeline.yaml": yaml("[Größe x, 5_a]"),
    "words.ts": words,
  });
  assert.equal((await project.cli("run", "pipeline")).code, 0);
  assert.equal((await project.cli("push")).code, 0);
  await Deno.remove(project.path("artifacts"), { recursive: true });
  const pulled = await project.cli("pull");
  assert.equal(pulled.code, 0, pulled.out + pulled.err);
  assert.ok((await project.files()).some((name) => name.endsWith("/Größe x/a.txt")));
  for (const names of ["[a/../b]", "[record.json]", '[""]']) {
    await project.write({ "pipeline.yaml": yaml(names) });
    const { code, err } = await project.cli("run", "pipeline");
    assert.equal(code, 2, err);
    assert.match(err, /pipeline\.yaml:3:11: outputsOf\(\) of words returns no outputs: expected/);
  }
});

Deno.test("the first of two results of the same inputs stays; who comes later learns it", async () => {
  await using one = await Project.make();
  await using other = await Project.make();
  const yaml = `remote: ${one.path("shared")}\nstages: { chance: }\n`;
  for (const project of [one, other]) {
    await project.write({ "pipeline.yaml": "stages: { chance: }" });
    await project.run();
    await project.write({ "pipeline.yaml": yaml });
  }
  assert.equal((await one.cli("push")).code, 0);
  const own = await texts(other), { code, out } = await other.cli("push");
  assert.match(out, /✓ chance {2}another result of the same inputs is there and stays \(made by /);
  assert.deepEqual([code, await texts(other)], [0, own]);
  await other.write({ "pipeline.yaml": `artifacts: other\n${yaml}` });
  const taken = await other.run(), number = await other.output(taken, "chance", "numbers.txt");
  assert.ok(Object.values(await texts(one)).includes(number), "the first one's");
});

Deno.test("a result of an earlier version, which had no checksums, is pushed with one", async () => {
  await using project = await Project.make();
  const { signal } = new AbortController(), store = new ArtifactStore(project.path("artifacts"));
  const { checksum: _, ...record } = await storeLarge(store, { a: Uint8Array.of(1) }, { signal });
  const folder = store.pathOf("large", record.fingerprint);
  await Deno.writeTextFile(join(folder, "record.json"), JSON.stringify(record));
  const { record: found } = await store.find("large", record.fingerprint);
  const remote = new RemoteResults({ url: project.path("shared") }, signal);
  const progress = { start: () => {}, advance: () => {} };
  await remote.push(found!, folder, progress);
  const pushed = await remote.find("large", record.fingerprint);
  assert.deepEqual(pushed, withChecksum(record));
});

Deno.test("a folder without hard links, as on a memory stick, takes results as well", async () => {
  await using project = await Project.make({ "pipeline.yaml": `remote: ./stick\n${CHAIN}` });
  const { id } = await project.run();
  const { link } = Deno;
  Deno.link = () => Promise.reject(new Deno.errors.PermissionDenied("Operation not permitted"));
  try {
    assert.match((await project.here("push")).out, /✓ count {2}7 B\n.*\n.*\npushed run /);
    assert.match((await project.here("push")).out, /✓ count {2}was there\n/);
    const { place } = new RemoteResults(
      { url: project.path("stick") },
      new AbortController().signal,
    );
    const [{ key }] = await place.list("v1/results/count/");
    const before = await place.get(key, 9999);
    assert.equal(await place.put(key, new Uint8Array([1])), false);
    assert.deepEqual(await place.get(key, 9999), before);
  } finally {
    Deno.link = link;
  }
  assert.deepEqual(await Array.fromAsync(Deno.readDir(project.path("stick/.incoming"))), []);
  await using other = await Project.make({ "pipeline.yaml": CHAIN });
  assert.equal((await other.cli("pull", id!, "--remote", project.path("stick"))).code, 0);
});

Deno.test("a faulty bucket costs a line, and the run computes", async (t) => {
  await using server = new FakeS3();
  const { url, endpoint } = server.settings;
  const remote = `remote: { url: ${url}, endpoint: "${endpoint}" }\n`;
  await using maker = await Project.make({ "pipeline.yaml": remote + CHAIN });
  const made = await maker.run();
  assert.equal((await maker.cli("push")).code, 0);
  const good = new Map(server.objects);
  const object = [...good.keys()].filter((key) => key.includes("objects")).sort()[0]!;
  const record = [...good.keys()].find((key) => key.includes("results/count"))!;
  const parse = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as StageRecord;
  const forged = (change: (record: StageRecord) => StageRecord): Fault => (_, key) =>
    key === record
      ? new Response(JSON.stringify(withChecksum(change(parse(good.get(key)!))), null, 2) + "\n")
      : undefined;
  const file = parse(good.get(record)!).outputs.numbers!.files["numbers.txt"]!;
  const cases: Record<string, [Fault, RegExp]> = {
    "denies": [
      () => error(403, "AccessDenied"),
      /count: nothing .*: it answered 403, AccessDenied, Told by a test\. Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do\. This run no longer asks/,
    ],
    "is of another region": [
      () => error(301, "PermanentRedirect", { "x-amz-bucket-region": "eu-west-1" }),
      /its region is eu-west-1\. This/,
    ],
    "throttles for good": [
      () => error(503, "SlowDown", { "retry-after": "0.01" }),
      /it answered 503, SlowDown, Told by a test \(4 attempts\)\. This run/,
    ],
    "lacks the bucket": [
      () => error(404, "NoSuchBucket"),
      /404, NoSuchBucket.*\. Create the bucket, or name another\. This run/,
    ],
    "sends other bytes": [
      (request, key) =>
        key.includes("objects") && request.method === "GET"
          ? new Response(new Uint8Array(good.get(key)!.length))
          : undefined,
      /count: .*: numbers\/numbers.txt has other bytes there than were recorded. Remove v1\/objects\//,
    ],
    "sends too many bytes": [
      (_, key) => key.includes("objects") ? new Response(new Uint8Array(1e5)) : undefined,
      /count: .*: it sends more than the 7 bytes of v1\/objects\//,
    ],
    "is half written": [
      (_, key) => key === object ? error(404, "NoSuchKey") : undefined,
      /the result there is incomplete: v1\/objects\/[0-9a-f]{64}\.0 is missing/,
    ],
    "sends half a record": [
      (_, key) => key === record ? new Response(good.get(key)!.slice(0, 99)) : undefined,
      /v1\/results\/count\/.*\.json there is no record \(record\.json cannot be read\)/,
    ],
    "sends another record": [
      (_, key) =>
        key === record
          ? new Response([...good].find(([other]) => other.includes("results/add"))![1])
          : undefined,
      /there is no record \(it is that of another result\)/,
    ],
    "names a file outside": [
      forged((record) => ({
        ...record,
        outputs: { numbers: { ...record.outputs.numbers!, files: { "../../../x": file } } },
      })),
      /there is no record \(it names the file "numbers\/\.\.\/\.\.\/\.\.\/x"\)/,
    ],
    "names a folder outside": [
      forged((record) => ({
        ...record,
        outputs: { ...record.outputs, "../../../../x": { kind: "a", digest: "b", files: {} } },
      })),
      /there is no record \(it names the file "\.\.\/\.\.\/\.\.\/\.\.\/x"\)/,
    ],
    "claims a file larger than any": [
      forged((record) => ({
        ...record,
        outputs: {
          numbers: { ...record.outputs.numbers!, files: { huge: { ...file, size: 9e15 } } },
        },
      })),
      /the result there is incomplete: v1\/objects\/[0-9a-f]{64}\.0 has 7 of 8388608 bytes/,
    ],
    "nests without end": [
      (_, key) =>
        key === record
          ? new Response(`{"checksum":"","observed":${"[".repeat(1e6)}${"]".repeat(1e6)}}`)
          : undefined,
      /there is no record \(record\.json cannot be read\)/,
    ],
  };
  for (const [name, [fault, told]] of Object.entries(cases)) {
    await t.step(`one that ${name}`, async () => {
      server.fault = fault;
      await using project = await Project.make({ "pipeline.yaml": remote + CHAIN });
      const { report, text, statuses } = await project.run();
      assert.ok(report.ok, text);
      assert.match(text, told);
      const lasting = /This run no longer asks it/.test(text);
      if (lasting) {
        assert.equal(text.match(/nothing is pulled/g)?.length, 1, text);
        assert.deepEqual(Object.values(statuses), ["ran", "ran", "ran"]);
      }
      assert.equal(
        await project.output({ report }, "sum", "total.txt"),
        await maker.output(made, "sum", "total.txt"),
      );
      // A result that was half there leaves nothing.
      assert.ok(!(await project.files()).some((name) => /^(x|\.work)/.test(name)));
    });
  }
  await t.step("one that throttles a while is waited for", async () => {
    let busy = 3;
    server.fault = () => busy-- > 0 ? error(503, "SlowDown", { "retry-after": "0.01" }) : undefined;
    await using project = await Project.make({ "pipeline.yaml": remote + CHAIN });
    assert.deepEqual(Object.values((await project.run()).statuses), ["cached", "cached", "cached"]);
  });
  await t.step("one that is read-only refuses a push with its reason", async () => {
    server.fault = ({ method }) => method === "PUT" ? error(403, "AccessDenied") : undefined;
    server.objects.clear();
    const { code, out } = await maker.cli("push");
    assert.match(
      out,
      /^Cannot share with .*: it answered 403, AccessDenied, Told by a test\. Check AWS.*\n$/,
    );
    assert.equal(code, 1);
    server.fault = () => undefined;
    assert.equal((await maker.cli("push")).code, 0);
    assert.deepEqual([...server.objects.keys()].sort(), [...good.keys()].sort());
  });
});

Deno.test("a large result is copied in parts, and resumes", async () => {
  await using server = new FakeS3();
  const folder = await Deno.makeTempDir({ prefix: "remote-" });
  try {
    const { signal } = new AbortController();
    const [here, there] = ["here", "there"].map((name) => new ArtifactStore(join(folder, name)));
    const content = new Uint8Array(3 * PART + 5).map((_, i) => i >> 12);
    const files = { "a.bin": content, empty: new Uint8Array() };
    const record = await storeLarge(here!, files, { signal });
    const remote = new RemoteResults(server.settings, signal, { attempts: 1 });
    const place = here!.pathOf("large", record.fingerprint);
    let puts = 0;
    const count = (method: string) =>
      server.requests.filter((r) => r.startsWith(`${method} team/v1/o`)).length;
    server.fault = ({ method }) =>
      method === "PUT" && ++puts > 2 ? error(507, "QuotaExceeded") : undefined;
    const controller = new AbortController();
    const stopped = new RemoteResults(server.settings, controller.signal, { attempts: 1 });
    const stop = { start: () => {}, advance: () => controller.abort(new Error("stopped")) };
    server.requests.length = 0;
    await assert.rejects(
      stopped.push(record, place, stop),
      /^Error: stopped/,
    );
    assert.equal(count("HEAD"), 0, "interrupted while its own files were read");

    const push = () => remote.push(record, place, { start: () => {}, advance: () => {} });
    await assert.rejects(push, /^RemoteError: it answered 507, QuotaExceeded/);
    assert.equal(server.objects.size, 2, "without a record");
    server.fault = () => undefined;
    server.requests.length = 0;
    assert.deepEqual(await push(), { made: true });
    assert.deepEqual([count("HEAD"), count("PUT")], [4, 2], "what is there is not sent again");

    let gets = 0, bytes = 0;
    server.fault = ({ method }, key) =>
      method === "GET" && key.includes("objects") && ++gets > 2 ? error(500, "x") : undefined;
    const pull = async () => {
      const found = (await remote.find("large", record.fingerprint))!;
      return await remote.pull(found, there!, () => {}, {
        start: () => bytes = 0,
        advance: (n = 1) => bytes += n,
      });
    };
    await assert.rejects(pull, /^RemoteError: it answered 500/);
    server.fault = () => undefined;
    server.requests.length = 0;
    assert.deepEqual(await pull(), record);
    assert.equal(count("GET"), 2, "what came is not asked for again");
    assert.equal(bytes, content.length);
    const copied = await Deno.readFile(
      join(there!.pathOf("large", record.fingerprint), "out", "a.bin"),
    );
    assert.ok(copied.every((byte, i) => byte === content[i]));
    assert.equal(
      (await there!.find("large", record.fingerprint, ["out"])).record?.platform,
      "moon",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a bucket in the name of a host needs one", () => {
  const settings = { url: "s3://bucket/x", endpoint: "http://127.0.0.1:1", pathStyle: false };
  assert.throws(
    () => openPlace(settings, new AbortController().signal),
    /pathStyle: false needs the name of a host in place of 127\.0\.0\.1/,
  );
});

Deno.test("a prefix may have any characters", async () => {
  await using server = new FakeS3();
  const settings = { ...server.settings, url: "s3://bucket/a#b?c=d/é %20+<" };
  const place = openPlace(settings, new AbortController().signal), bytes = new Uint8Array([1, 2]);
  assert.equal(await place.put("runs/x.json", bytes), true);
  assert.deepEqual([...server.objects.keys()], ["a#b?c=d/é %20+</runs/x.json"]);
  assert.deepEqual(await place.get("runs/x.json", 2), bytes);
  assert.deepEqual(await place.list("runs/"), [{ key: "runs/x.json", size: 2 }]);
});

Deno.test("a remote that does not answer is left after its timeout", async () => {
  await using server = new FakeS3();
  const late = Promise.withResolvers<Response>();
  server.fault = () => late.promise;
  // Time for the bytes of a record is added.
  const settings = { attempts: 1, timeout: -335_400 };
  const remote = new RemoteResults(server.settings, new AbortController().signal, settings);
  await assert.rejects(remote.find("count", "0".repeat(64)), /too slow or does not answer/);
  late.resolve(error(404, "NoSuchKey"));
});

Deno.test("a bucket that nobody serves names its endpoint", async () => {
  const server = new FakeS3(), { url, endpoint } = server.settings;
  await server[Symbol.asyncDispose]();
  const remote = new RemoteResults({ url, endpoint }, new AbortController().signal, {
    attempts: 1,
  });
  await assert.rejects(remote.find("count", "0".repeat(64)), ({ message }: Error) => {
    assert.match(message, / \(1 attempts\)\. Check the network and the endpoint http:\/\/127\./);
    return true;
  });
});
