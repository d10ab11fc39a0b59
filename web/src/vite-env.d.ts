/// <reference types="vite/client" />

/** Of the page. */
declare const VERSION: string;
/** Checksum of the wasm: results of another build are not this one's. */
declare const PROGRAM: string;

// `cargo xtask` writes the package with its own types; until then the contract stands in for them (a real file wins over this pattern).
declare module "*/pkg/softprompt.js" {
  import type { Core } from "./contract";
  const init: Core["default"];
  export default init;
  export const default_config: Core["default_config"];
  export const validate_config: Core["validate_config"];
  export const complete_config: Core["complete_config"];
  export const detect_device: Core["detect_device"];
  export const open_table: Core["open_table"];
  export const adapter_info: Core["adapter_info"];
  export const Classifier: Core["Classifier"];
  export const Labelling: Core["Labelling"];
  export const Model: Core["Model"];
  export const Run: Core["Run"];
  export const Comparison: Core["Comparison"];
}

/** The page of one file, as vite.config.ts builds it: its text with `@PARTS@` in it, and the script of its worker. */
declare module "virtual:standalone" {
  export const page: string;
  export const worker: string;
  /** Bytes of the compressed wasm. */
  export const wasmSize: number;
}
