/** What the server says of the service: it is written into the page. */
import type { Service } from "../api.ts";
import { byId } from "./dom.ts";

export const service = JSON.parse(byId("service").textContent!) as Service;
