/** Hides users, passwords and queries of URLs wherever something is stored or shown. */

/** Replaces a hidden part. */
const HIDDEN = "***";

/**
 * Replaces the user, the password and the values of the query of a URL by `***`.
 * @param url a whole URL, valid or not
 */
export function hideUrl(url: string): string {
  const [, scheme = "", rest = ""] = url.match(/^([a-z][a-z0-9+.-]*:\/\/)(.*)$/is) ?? [];
  if (scheme === "") return url;
  let end = rest.search(/[/?#]/);
  if (end < 0) end = rest.length;
  let at = rest.slice(0, end).lastIndexOf("@");
  // A password may hold "/" and "#" where Redis is meant, or where no port is one otherwise.
  const host = rest.slice(0, end).replace(/^\[.*\]/, "");
  if (at < 0 && (/^rediss?:/i.test(scheme) || !/^[^:]*(:\d*)?$/.test(host))) {
    at = rest.lastIndexOf("@");
  }
  const written = rest.slice(0, at + 1);
  // The placeholder of documents.
  const user = at < 0 || /^(user)?:password@$/.test(written) ? written : `${HIDDEN}@`;
  const [, path = "", more = ""] = rest.slice(at + 1).match(/^([^?#]*)(.*)$/s)!;
  const query = more.replace(
    /([?&#])([^=&#]*=)?([^&#]*)/g,
    (_, mark, name = "", value) =>
      mark + name + (value !== "" && (name !== "" || mark !== "#") ? HIDDEN : value),
  );
  return scheme + user + path + query;
}

/** Hides what `hideUrl` does in every URL of a text. */
export function hideSecrets(text: string): string {
  return text.replace(/\b[a-z][a-z0-9+.-]*:\/\/[^\s"`<>]+/gi, (url) => {
    const [, bare, end] = url.match(/^(.*?)([.,;:!)\]}']*)$/s)!;
    return hideUrl(bare!) + end;
  });
}

/** Returns a value with the same hidden in each of its texts; one that is a URL is one to its end. */
export function withoutSecrets<T>(value: T): T {
  const hide = (inner: unknown): unknown => {
    if (typeof inner === "string") {
      return /^[a-z][a-z0-9+.-]*:\/\//i.test(inner) ? hideUrl(inner) : hideSecrets(inner);
    }
    if (Array.isArray(inner)) return inner.map(hide);
    if (typeof inner !== "object" || inner === null) return inner;
    const parts = Object.entries(inner).map(([key, part]) => [hideSecrets(key), hide(part)]);
    return Object.fromEntries(parts);
  };
  return hide(value) as T;
}

/** Returns the names of the values in which something is hidden, such as `download.mirror`. */
export function hiddenIn(value: unknown, name = ""): string[] {
  if (typeof value === "string") return /:\/\/.*\*\*\*/s.test(value) ? [name] : [];
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.some((item) => hiddenIn(item).length > 0) ? [name] : [];
  return Object.entries(value).flatMap(([key, inner]) =>
    hiddenIn(inner, name === "" ? key : `${name}.${key}`)
  );
}
