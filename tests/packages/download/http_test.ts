import { deepStrictEqual, doesNotMatch, match, ok, rejects, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { formatError } from "../../../packages/pipeline/errors.ts";
import { fetchFile, type FetchOptions, fetchText } from "../../../packages/download/http.ts";
import { PartialFile, readOrigin } from "../../../packages/download/partial_file.ts";
import { damagesOf } from "../../damages.ts";
import { type Answer, broken, file, serve } from "./server.ts";

const data = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 255);
const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");
const patience = { attempts: 4, delay: 1, stall: 10_000 };

interface Setting {
  url: string;
  path: string;
  requests: string[];
  troubles: string[];
  get(options?: Partial<FetchOptions>): ReturnType<typeof fetchFile>;
  arrived(): Uint8Array;
}

async function withServer(answer: Answer, test: (setting: Setting) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  await using server = await serve(answer);
  try {
    const path = join(folder, "file.tar");
    const url = `${server.url}file.tar`;
    const troubles: string[] = [];
    const onTrouble = (message: string) => void troubles.push(message);
    await test({
      url,
      path,
      troubles,
      requests: server.requests,
      get: (options) => {
        const onBytes = (n: number) => {
          server.received += n;
          options?.onBytes?.(n);
        };
        return fetchFile(url, { path, patience, onTrouble, ...options, onBytes });
      },
      arrived: () => Deno.readFileSync(path),
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Leaves what an interrupted process leaves. */
async function leave(
  path: string,
  bytes: Uint8Array,
  { url, validator, size }: { url: string; validator: string | null; size: number },
) {
  const partial = new PartialFile(`${path}.part`, url, true);
  await partial.open();
  await partial.remember(size, validator);
  partial.append(bytes);
  partial.close();
}

function absent(path: string): boolean {
  try {
    Deno.statSync(path);
    return false;
  } catch {
    return true;
  }
}

Deno.test("fetchFile() fetches a file, its MD5 and its progress", async () => {
  await withServer((request) => file(request, data), async ({ get, arrived, path, url }) => {
    let bytes = 0;
    const starts: unknown[] = [];
    const fetched = await get({
      md5: md5(data),
      onStart: (...start) => starts.push(start),
      onBytes: (n) => bytes += n,
    });
    deepStrictEqual(fetched, { md5: md5(data), lengthKnown: true });
    deepStrictEqual(await readOrigin(path), { url, size: data.length, validator: '"v1"' });
    deepStrictEqual(arrived(), data);
    deepStrictEqual([bytes, starts], [data.length, [[data.length, 0]]]);
    ok(absent(`${path}.part`) && absent(`${path}.part.json`));
  });
});

Deno.test("fetchFile() goes on where the connection dropped", async () => {
  await withServer(
    (request, n) => n < 2 ? broken(file(request, data), 100_000) : file(request, data),
    async ({ get, arrived, requests, troubles }) => {
      const { md5: sum } = await get();
      deepStrictEqual(arrived(), data);
      strictEqual(sum, md5(data));
      strictEqual(requests[0], "/file.tar");
      match(requests[1], /^\/file.tar bytes=[1-9]\d*-$/);
      match(requests[2], /^\/file.tar bytes=[1-9]\d*-$/);
      match(troubles[0], /the connection dropped .*; retry in/);
    },
  );
});

Deno.test("fetchFile() goes on with what an interrupted process left", async () => {
  await withServer((request) => file(request, data), async (setting) => {
    const stop = new AbortController();
    const interrupted = setting.get({
      signal: stop.signal,
      onBytes: () => stop.abort(new Error("stopped")),
    });
    await rejects(interrupted, /^Error: stopped$/);
    const { size } = await Deno.stat(`${setting.path}.part`);
    ok(size > 0 && size < data.length);
    const starts: unknown[] = [];
    const { md5: sum } = await setting.get({ onStart: (...start) => starts.push(start) });
    deepStrictEqual(setting.requests.slice(1), [`/file.tar bytes=${size}-`]);
    deepStrictEqual(starts, [[data.length, size]]);
    deepStrictEqual(setting.arrived(), data);
    strictEqual(sum, md5(data));
  });
});

Deno.test("fetchFile() goes on where ranges come without the length of the whole", async () => {
  const answer = (request: Request) => {
    const response = file(request, data), range = response.headers.get("content-range");
    if (range !== null) response.headers.set("content-range", range.replace(/\/.*/, "/*"));
    return response;
  };
  await withServer(
    (request, n) => n < 2 ? broken(answer(request), 100_000) : answer(request),
    async ({ get, arrived, requests }) => {
      const { lengthKnown } = await get();
      deepStrictEqual([arrived(), lengthKnown], [data, true]);
      for (const request of requests.slice(1)) match(request, /bytes=[1-9]/);
    },
  );
});

Deno.test("fetchFile() begins again where the server does not know ranges", async () => {
  await withServer(
    (request, n) => {
      const whole = file(new Request(request.url), data);
      return n === 0 ? broken(whole, 100_000) : whole;
    },
    async ({ get, arrived }) => {
      await get({ md5: md5(data) });
      deepStrictEqual(arrived(), data);
    },
  );
});

Deno.test("fetchFile() never mixes two versions of a file", async () => {
  const newer = data.map((byte) => byte ^ 255);
  await withServer(
    (request, n) => n === 0 ? broken(file(request, data), 100_000) : file(request, newer, '"v2"'),
    async ({ get, arrived }) => {
      await get();
      deepStrictEqual(arrived(), newer);
    },
  );
  // A server without ETag and dates: only an MD5 could tell, so without one nothing is resumed.
  const bare = (response: Response) => {
    response.headers.delete("etag");
    return response;
  };
  await withServer((request) => bare(file(request, data)), async ({ get, path, requests }) => {
    await leave(path, newer.subarray(0, 1000), {
      url: "http://elsewhere/",
      validator: null,
      size: data.length,
    });
    await get();
    deepStrictEqual(requests, ["/file.tar"]);
  });
  // With one, a mix is found out, and the file is fetched anew.
  await withServer((request) => bare(file(request, data)), async (setting) => {
    await leave(setting.path, newer.subarray(0, 1000), {
      url: setting.url,
      validator: null,
      size: data.length,
    });
    await setting.get({ md5: md5(data) });
    deepStrictEqual(setting.requests, ["/file.tar bytes=1000-", "/file.tar"]);
    deepStrictEqual(setting.arrived(), data);
  });
});

Deno.test("fetchFile() begins again where a server sends the rest of another version", async () => {
  const newer = data.map((byte) => byte ^ 255);
  /** A server that passes over If-Range. */
  const careless = (request: Request, bytes: typeof data, version: Record<string, string>) => {
    const headers = new Headers(request.headers);
    headers.delete("if-range");
    const response = file(new Request(request.url, { headers }), bytes);
    response.headers.delete("etag");
    for (const [name, value] of Object.entries(version)) response.headers.set(name, value);
    return response;
  };
  const old = "Mon, 01 Jan 2024 00:00:00 GMT", now = "Tue, 02 Jan 2024 00:00:00 GMT";
  for (
    const [before, after, message] of [
      [{ etag: '"v1"' }, { etag: '"v2"' }, /changed from version "v1" to "v2"/],
      [{ etag: '"v1"' }, {}, /changed from version "v1" to another/],
      [{ "last-modified": old }, { "last-modified": now }, /changed from version Mon.* to Tue/],
      [{ etag: 'W/"1"', "last-modified": old }, { "last-modified": now }, /changed from version M/],
    ] as const
  ) {
    await withServer(
      (request, n) =>
        n === 0
          ? broken(careless(request, data, before), 100_000)
          : careless(request, newer, after),
      async ({ get, arrived, requests, troubles }) => {
        await get();
        deepStrictEqual(arrived(), newer);
        match(requests[1], /bytes=[1-9]/);
        match(troubles[1], message);
      },
    );
  }
  // The date need not be repeated where If-Range was asked.
  await withServer(
    (request, n) => {
      const response = careless(request, data, n === 0 ? { "last-modified": old } : {});
      return n === 0 ? broken(response, 100_000) : response;
    },
    async ({ get, arrived, requests }) => {
      await get();
      deepStrictEqual(arrived(), data);
      strictEqual(requests.length, 2);
    },
  );
  // Neither ETag nor date nor MD5: no part is trusted.
  await withServer(
    (request, n) => {
      const response = careless(request, n === 0 ? data : newer, {});
      return n === 0 ? broken(response, 100_000) : response;
    },
    async ({ get, arrived, requests }) => {
      await get();
      deepStrictEqual(arrived(), newer);
      deepStrictEqual(requests, ["/file.tar", "/file.tar"]);
    },
  );
  // The same length says nothing of the version.
  await withServer(
    (request) => careless(request, newer, { etag: '"v2"' }),
    async ({ get, url, path, arrived }) => {
      await leave(path, data, { url, validator: '"v1"', size: data.length });
      await get();
      deepStrictEqual(arrived(), newer);
    },
  );
});

Deno.test("fetchFile() bounds what it takes by a limit and by the disk", async () => {
  const endless = createServer((request, response) => {
    const length = request.url === "/said" ? { "content-length": String(2 ** 40) } : {};
    response.writeHead(200, length);
    const send = () => {
      while (!response.destroyed && response.write(new Uint8Array(1 << 20)));
    };
    response.on("drain", send);
    send();
  });
  await new Promise<void>((resolve) => endless.listen(0, "127.0.0.1", resolve));
  const { port } = endless.address() as AddressInfo;
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "file.tar");
    const get = (name: string, options: Partial<FetchOptions>) =>
      fetchFile(`http://127.0.0.1:${port}/${name}`, { path, patience, ...options });
    const left = () => [absent(path), Deno.statSync(`${path}.part`).size];
    const free = (bytes: number) => () => Promise.resolve(bytes);
    await rejects(
      get("unsaid", { limit: 5e6, free: free(1e12) }),
      /the response has no length and exceeds the limit of 5.0 MB/,
    );
    deepStrictEqual(left(), [true, 0]);
    await rejects(
      get("unsaid", { free: free(1e9) }),
      /does not send its length, and after \d+ MB the disk of ".*" has less than 1.1 GB left/,
    );
    deepStrictEqual(left(), [true, 0]);
    await rejects(
      get("said", { limit: 5e6, free: free(1e15) }),
      /: it exceeds the limit of 5.0 MB/,
    );
    await rejects(
      get("said", { limit: 1e15, free: free(1e9) }),
      /1.1 TB more are needed, and the disk of ".*" has 1.0 GB left/,
    );
  } finally {
    endless.closeAllConnections();
    await new Promise((resolve) => endless.close(resolve));
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("fetchFile() shows no password and no query of an address", async () => {
  const server = await serve(() => new Response(null, { status: 503 }));
  const folder = await Deno.makeTempDir();
  try {
    const url = server.url.replace("//", "//me:secret@") + "x.tar?sig=hidden&v=1";
    const troubles: string[] = [];
    const path = join(folder, "x.tar");
    const options = { path, patience: { attempts: 2, delay: 1 } };
    const seen = await fetchFile(url, { ...options, onTrouble: (line) => troubles.push(line) })
      .then(() => "", formatError);
    match(seen, /Cannot download "http:\/\/\*\*\*@127.*\/x.tar\?sig=\*\*\*&v=\*\*\*": the server/);
    const { port } = new URL(url);
    await server[Symbol.asyncDispose]();
    const dead = await fetchFile(url, options).then(() => "", formatError);
    match(dead, new RegExp(`Cannot download "http:.*${port}.*the connection failed .*refused`));
    doesNotMatch(`${seen} ${dead} ${troubles}`, /secret|hidden/);
    deepStrictEqual(server.requests[0], "/x.tar?sig=hidden&v=1");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("fetchFile() leaves a connection on which nothing comes", async () => {
  await withServer(
    (request, n) => n === 0 ? broken(file(request, data), 50_000, true) : file(request, data),
    async ({ get, arrived, troubles }) => {
      await get({ patience: { ...patience, attempts: 100, stall: 300 } });
      deepStrictEqual(arrived(), data);
      match(troubles[0], /no byte received for 0 s/);
    },
  );
});

Deno.test("fetchFile() waits as long as a busy server asks", async () => {
  const later = new Date(Date.now() - 1000).toUTCString(); // now, for a date in the past
  const answers = [
    new Response(null, { status: 503, headers: { "retry-after": "0" } }),
    new Response(null, { status: 429, headers: { "retry-after": later } }),
    new Response(null, { status: 500 }),
  ];
  await withServer(
    (request, n) => answers[n] ?? file(request, data),
    async ({ get, arrived, troubles }) => {
      // Its own delay would not let the test end.
      await get({ patience: { ...patience, delay: 1, longest: 5 } });
      deepStrictEqual(arrived(), data);
      match(troubles[0], /the server responded with 503 Service Unavailable; retry in 0 s/);
      strictEqual(troubles.length, 3);
    },
  );
});

Deno.test("fetchFile() follows redirects, also where it goes on, and no circle of them", async () => {
  const moved = (to: string) => new Response(null, { status: 302, headers: { location: to } });
  let sent = 0;
  await withServer(
    (request) => {
      if (!request.url.endsWith("/real.tar")) return moved("/real.tar");
      return sent++ === 0 ? broken(file(request, data), 100_000) : file(request, data);
    },
    async ({ get, arrived, requests }) => {
      strictEqual((await get({ md5: md5(data) })).md5, md5(data));
      deepStrictEqual(arrived(), data);
      deepStrictEqual(requests.slice(0, 2), ["/file.tar", "/real.tar"]);
      match(requests[3], /^\/real.tar bytes=\d+-$/);
    },
  );
  await withServer(() => moved("/file.tar"), async ({ get, troubles }) => {
    await rejects(get(), /redirects.*which another attempt would not change/);
    deepStrictEqual(troubles, []);
  });
});

Deno.test("fetchFile() is not taken in by lengths that lie", async () => {
  const claiming = (request: Request, length: number) => {
    const { status, headers } = file(request, data);
    headers.set("content-length", String(length));
    return new Response(request.headers.has("range") ? data.slice(length) : data, {
      status,
      headers,
    });
  };
  // More than comes: what is missing is asked for, and the server admits that there is no more. Which
  // version it says that of, only an MD5 would tell, so without one all of it is fetched again.
  await withServer(
    (request, n) =>
      n === 0 ? broken(claiming(request, data.length + 1000), data.length) : file(request, data),
    async ({ get, arrived, troubles }) => {
      await get();
      deepStrictEqual(arrived(), data);
      strictEqual(troubles.length, 2);
    },
  );
  // Less than the file has: its MD5 tells, or, without one, the archive that ends too early.
  await withServer(
    (request) => broken(claiming(request, 200_000), 200_000),
    async ({ get, path }) => {
      await rejects(get({ md5: md5(data) }), /its MD5 is [0-9a-f]+, expected was/);
      ok(absent(path));
    },
  );
});

Deno.test("fetchFile() says at once what another attempt would not change", async () => {
  for (
    const [status, message] of [
      [
        404,
        /Cannot download "http:.*file.tar": the server responded with 404 Not Found. Check the URL/,
      ],
      [403, /the server responded with 403 Forbidden. Check the URL, or set another "mirror"/],
      [401, /the server responded with 401 Unauthorized, which another attempt would not change/],
    ] as const
  ) {
    await withServer(() => new Response(null, { status }), async ({ get, requests, path }) => {
      await rejects(get(), message);
      strictEqual(requests.length, 1);
      ok(absent(path));
    });
  }
});

Deno.test("fetchFile() gives up in the end, and keeps what came", async () => {
  await withServer(
    (request) => broken(file(request, data), request.headers.has("range") ? 0 : 40_000),
    async ({ get, requests, path }) => {
      await rejects(
        get(),
        /4 consecutive attempts received nothing. Run again to resume the download/,
      );
      ok(absent(path));
      ok(Deno.statSync(`${path}.part`).size > 0);
      strictEqual(requests.length, 5, "the first brought something");
    },
  );
  const nowhere = "http://127.0.0.1:9/file.tar";
  const folder = await Deno.makeTempDir();
  await rejects(
    fetchFile(nowhere, { path: join(folder, "file.tar"), patience: { ...patience, attempts: 2 } }),
    /Cannot download "http:\/\/127.0.0.1:9\/file.tar": the connection failed .*2 consecutive attempts/,
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("fetchFile() refuses a file with a wrong MD5", async () => {
  await withServer((request) => file(request, data), async ({ get, path, requests }) => {
    await rejects(
      get({ md5: "0".repeat(32) }),
      new RegExp(`its MD5 is ${md5(data)}, expected was 0{32}. The file changed`),
    );
    ok(absent(path));
    strictEqual(requests.length, 1);
    strictEqual(Deno.statSync(`${path}.part`).size, 0, "nothing to go on with");
  });
});

Deno.test("fetchFile() refuses a range that it did not ask for", async () => {
  await withServer(
    (request, n) => {
      if (n === 0) return broken(file(request, data), 100_000);
      if (n > 1) return file(request, data);
      const headers = { "content-range": `bytes 5-${data.length - 1}/${data.length}` };
      return new Response(data.slice(5), { status: 206, headers });
    },
    async ({ get, arrived, troubles }) => {
      await get();
      deepStrictEqual(arrived(), data);
      match(troubles[1], /sent the range "bytes 5-.*" instead of bytes from \d+ on/);
    },
  );
});

Deno.test("fetchFile() keeps of a damaged part what is undamaged, and says so", async () => {
  await withServer((request) => file(request, data), async (setting) => {
    const { path, url, requests, troubles } = setting;
    const files = ["", ".json", ".digests"].map((end) => `${path}.part${end}`);
    const prepare = async () => {
      const partial = new PartialFile(files[0]!, url, true);
      await partial.open();
      await partial.remember(data.length, '"v1"');
      for (let i = 0; i < 5; i++) partial.append(data.subarray(i * 1000, (i + 1) * 1000));
      partial.close();
    };
    for (const damaged of files) {
      await prepare();
      for (const [how, bytes] of Object.entries(damagesOf(await Deno.readFile(damaged)))) {
        await prepare();
        await Deno.writeFile(damaged, bytes);
        await setting.get(); // no MD5 would tell
        deepStrictEqual(setting.arrived(), data, `${damaged}, ${how}`);
        const from = Number(/bytes=(\d+)-/.exec(requests.at(-1)!)?.[1] ?? 0);
        ok(from <= 5000 && from % 1000 === 0, `${damaged}, ${how}: from ${from}`);
        if (from < 5000 && !/^(empty|longer)/.test(how)) {
          match(troubles.at(-1)!, /^the partial file is damaged after byte [\d,]+; the rest is/);
        }
        for (const path of [setting.path, ...files]) await Deno.remove(path).catch(() => {});
      }
    }
    // Nothing but the damaged piece and what follows it is fetched again.
    await prepare();
    const bytes = await Deno.readFile(files[0]!);
    await Deno.writeFile(files[0]!, bytes.with(3500, bytes[3500]! ^ 1));
    await setting.get();
    match(requests.at(-1)!, /bytes=3000-/);
    deepStrictEqual(setting.arrived(), data);
  });
});

Deno.test("fetchFile() takes a part that turns out to be the whole", async () => {
  await withServer((request) => file(request, data), async (setting) => {
    await leave(setting.path, data, { url: setting.url, validator: '"v1"', size: data.length });
    await setting.get({ md5: md5(data) });
    deepStrictEqual(setting.requests, [`/file.tar bytes=${data.length}-`]);
    deepStrictEqual(setting.arrived(), data);
  });
});

Deno.test("fetchFile() tells when the length could not be checked", async () => {
  await withServer(() => new Response(data), async ({ get, arrived }) => {
    const { lengthKnown } = await get();
    deepStrictEqual([lengthKnown, arrived()], [false, data]);
  });
});

Deno.test("fetchFile() stops while it waits", async () => {
  await withServer(() => new Response(null, { status: 503 }), async ({ get }) => {
    const stop = new AbortController();
    const onTrouble = () => void setTimeout(() => stop.abort(new Error("stopped")), 10);
    const signal = stop.signal;
    await rejects(get({ signal, onTrouble, patience: { delay: 600_000 } }), /^Error: stopped$/);
  });
});

Deno.test("fetchText() tells absent from unreachable, and refuses what is no text file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using server = await serve((request) => {
      const path = new URL(request.url).pathname;
      if (path === "/there") return new Response("some text");
      if (path === "/huge") return new Response(new Uint8Array(1 << 21));
      return new Response(null, { status: path === "/none" ? 404 : 500 });
    });
    const get = (name: string) => fetchText(server.url + name, { folder, patience });
    strictEqual(await get("there"), "some text");
    strictEqual(await get("none"), undefined);
    await rejects(get("ill"), /the server responded with 500/);
    await rejects(get("huge"), /exceeds the limit of 1.0 MB/);
    deepStrictEqual([...Deno.readDirSync(folder)], []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
