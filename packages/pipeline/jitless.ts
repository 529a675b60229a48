/** Schemas are used once or twice in a run, so compiling them costs more than it saves. */
import { z } from "zod";

z.config({ jitless: true });
