/** What the server says of the service: it is written into the page. */
import type { Service } from "../serving/api.ts";
import { part } from "./dom.ts";

export const service = JSON.parse(part("service").textContent!) as Service;
