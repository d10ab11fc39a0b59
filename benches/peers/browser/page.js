/** What the runner calls in the page. Times are taken here, so that the way to the runner is not in them. */
import * as wasm from "/pkg/softprompt.js";
import { jax } from "./jax.js";
import { ours } from "./ours.js";
import { PROMPT, loadEncoder } from "./task.js";
import { tfjs } from "./tfjs.js";

const CONTENDERS = {
  "ours-webgpu": (task) => ours("gpu", task),
  "ours-cpu": (task) => ours("cpu", task),
  "tfjs-webgpu": (task) => tfjs("webgpu", task),
  "tfjs-wasm": (task) => tfjs("wasm", task),
  "jax-webgpu": (task) => jax("webgpu", task),
  "jax-wasm": (task) => jax("wasm", task),
};

let encoder;
let sets;
const running = {};

globalThis.bench = {
  /** Loads what all contenders share; says where it runs. */
  async load() {
    [encoder, sets] = await Promise.all([
      loadEncoder(),
      fetch("/batches.json").then((response) => response.json()),
      wasm.default(),
    ]);
    const adapter = await navigator.gpu?.requestAdapter();
    const { vendor, architecture, device, description } = adapter?.info ?? {};
    return {
      adapter: { vendor, architecture, device, description, fallback: adapter?.info?.isFallbackAdapter ?? null },
      threads: navigator.hardwareConcurrency,
      isolated: crossOriginIsolated,
      userAgent: navigator.userAgent,
      sets: Object.keys(sets),
      contenders: Object.keys(CONTENDERS),
    };
  },

  /** Gets a contender ready; its parameters are at their start. */
  async start(name, set, batchSize) {
    const config = wasm.default_config();
    config.prompt.length = PROMPT;
    config.optim.batch_size = batchSize;
    const batches = sets[set].batches.map(({ tokens, labels }) => ({
      tokens: tokens.slice(0, batchSize),
      labels: labels.slice(0, batchSize),
    }));
    const begin = performance.now();
    running[name] = await CONTENDERS[name]({ wasm, encoder, config, classes: sets[set].classes, batches });
    return { device: running[name].device, seconds: (performance.now() - begin) / 1000 };
  },

  /** What must happen before a step on batch `i` is timed: compiling for its shape, where a contender does that. */
  async prepare(name, i) {
    await running[name].prepare?.(i);
  },

  /** One step on batch `i`, ended by reading its loss. */
  async step(name, i) {
    const begin = performance.now();
    const loss = await running[name].step(i);
    return { seconds: (performance.now() - begin) / 1000, loss };
  },

  end(name) {
    running[name]?.end();
    delete running[name];
  },

  /** Rows of a batch: packed, and padded to the longest text. */
  rows(set, i, batchSize) {
    const { batches } = sets[set];
    const lengths = batches[i % batches.length].tokens.slice(0, batchSize).map((text) => PROMPT + text.length);
    return { packed: lengths.reduce((a, b) => a + b), padded: Math.max(...lengths) * lengths.length };
  },

  /** The matrix products of a step over `rows` rows on the CPU path alone, one entry a shape, seconds the least of `rounds`. */
  products(rows, rounds) {
    const { hidden, ffn } = encoder;
    const shapes = [
      { what: "query, key, value", n: 3 * hidden, k: hidden },
      { what: "attention out", n: hidden, k: hidden },
      { what: "feed-forward in", n: ffn, k: hidden },
      { what: "feed-forward out", n: hidden, k: ffn },
    ];
    const both = shapes.flatMap(({ what, n, k }) => [
      { what, transposed: true, n, k },
      { what: `${what}, gradient`, transposed: false, n: k, k: n },
    ]);
    return both.map(({ what, transposed, n, k }) => {
      const times = Array.from({ length: rounds }, () => wasm.cpu_matmul_seconds(rows, n, k, transposed, 1));
      return { what, rows, n, k, transposed, seconds: Math.min(...times), gflop: (2 * rows * n * k) / 1e9 };
    });
  },
};
