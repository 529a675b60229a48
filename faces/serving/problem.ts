/** What a client is told when it does not get what it asked for. */
import type { ContentfulStatusCode } from "hono/utils/http-status";

/** An answer other than 200, with its reason in words. */
export class Problem extends Error {
  override readonly name = "Problem";
  /**
   * @param code for programs: never changes
   * @param message for people: what could not be done, why, and the way out
   */
  constructor(
    readonly status: ContentfulStatusCode,
    readonly code: string,
    message: string,
    options: ErrorOptions & { readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message, options);
    this.headers = options.headers ?? {};
  }
  readonly headers: Readonly<Record<string, string>>;

  toJSON(): { error: { code: string; message: string } } {
    return { error: { code: this.code, message: this.message } };
  }
}
