/** Ctrl-C, twice, and its echo by `deno task`. */
import assert from "node:assert/strict";

const module = import.meta.resolve("../../../packages/pipeline/interrupt.ts");

/** Sends itself SIGINT three times, by a clock of its own. */
const SCRIPT = `
  import { abortOnSignal } from ${JSON.stringify(module)};
  let now = 0;
  performance.now = () => now;
  const { signal } = abortOnSignal({ log: () => {} }, { atOnce: () => console.log("at once") });
  for (now of [1000, 1299, 1300]) {
    const arrived = new Promise((resolve) => Deno.addSignalListener("SIGINT", resolve));
    Deno.kill(Deno.pid, "SIGINT");
    await arrived;
    console.log(now + " " + signal.aborted);
  }
`;

Deno.test({
  name: "a second Ctrl-C stops at once, unless it is an echo of the first",
  ignore: Deno.build.os === "windows",
  async fn() {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", SCRIPT],
      cwd: new URL("../../..", import.meta.url),
    }).output();
    assert.equal(new TextDecoder().decode(stdout), "1000 true\n1299 true\nat once\n");
    assert.equal(code, 130);
  },
});
