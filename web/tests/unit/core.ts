/** The crate itself, for tests: the wasm package that `cargo xtask` has built. */
import { readFileSync } from "node:fs";
import * as wasm from "../../pkg/softprompt.js";
import type { Core } from "../../src/contract";
import { describe } from "../../src/lib/described.svelte";

wasm.initSync({ module: readFileSync(new URL("../../pkg/softprompt_bg.wasm", import.meta.url)) });

export const core: Core = wasm;
describe(core.describe_config());
