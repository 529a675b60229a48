/** The style sheet of the report and of pages like it, report.css without its first line. */
import { trusted } from "./html.ts";

const css = await Deno.readTextFile(new URL("./report.css", import.meta.url));

export const style = trusted(css.slice(css.indexOf("\n")));
