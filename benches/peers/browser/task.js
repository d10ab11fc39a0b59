/**
 * The task that all contenders are given: the encoder's files, the batches, the first values, the numbers of the optimizer.
 *
 * @typedef {{ tokens: number[][], labels: number[] }} Batch
 * @typedef {{ shape: number[], data: Float32Array }} Weight
 */

/** Prompt rows P. */
export const PROMPT = 10;
/** Token whose word embedding is the first prompt row; the next tokens give the next rows. */
const FIRST_PROMPT_TOKEN = 2000;

/**
 * @param {any} config The run's settings, as softprompt's own `default_config()` says them.
 */
export function optimizerOf(config) {
  return {
    promptRate: config.optim.prompt_lr,
    headRate: config.optim.head_lr,
    weightDecay: config.optim.weight_decay,
    clipNorm: config.optim.clip_norm,
    featureScale: config.head.feature_scale,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    // PyTorch adds it to the norm in clip_grad_norm_.
    clipEpsilon: 1e-6,
  };
}

export async function loadEncoder() {
  const file = async (name) => {
    const response = await fetch(`/model/${name}`);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
  const [config, tokenizer, model] = await Promise.all(["config.json", "tokenizer.json", "model.safetensors"].map(file));
  const sizes = JSON.parse(new TextDecoder().decode(config));
  return {
    files: { config, tokenizer, model },
    weights: safetensors(model),
    layers: sizes.num_hidden_layers,
    hidden: sizes.hidden_size,
    heads: sizes.num_attention_heads,
    ffn: sizes.intermediate_size,
    epsilon: sizes.layer_norm_eps,
  };
}

/** All f32 tensors of a safetensors file. */
function safetensors(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  /** @type {Record<string, Weight>} */
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (dtype !== "F32") continue;
    const [begin, end] = data_offsets.map((offset) => bytes.byteOffset + 8 + length + offset);
    tensors[name.replace(/^bert\./, "")] = { shape, data: new Float32Array(bytes.buffer.slice(begin, end)) };
  }
  return tensors;
}

/** The first prompt rows: word embeddings of fixed tokens, `[P, D]`. */
export function firstPrompt({ weights, hidden }) {
  const words = weights["embeddings.word_embeddings.weight"].data;
  return words.slice(FIRST_PROMPT_TOKEN * hidden, (FIRST_PROMPT_TOKEN + PROMPT) * hidden);
}

/** Position embeddings with the embedding of token type 0 added, which no input changes: `[rows, D]`. */
export function positions({ weights, hidden }, rows) {
  const position = weights["embeddings.position_embeddings.weight"].data;
  const type = weights["embeddings.token_type_embeddings.weight"].data;
  return position.slice(0, rows * hidden).map((value, i) => value + type[i % hidden]);
}

/** The longest text of a batch, as a multiple of `multiple` tokens. */
export function paddedLength({ tokens }, multiple) {
  const longest = Math.max(...tokens.map((text) => text.length));
  return Math.ceil(longest / multiple) * multiple;
}

/**
 * A batch as users of these libraries make it: texts padded to one length, with a mask that is 1 for prompt rows and tokens.
 *
 * @param {Batch} batch
 * @param {number} length Tokens a text after padding.
 */
export function pad({ tokens, labels }, length, classes) {
  const rows = PROMPT + length;
  const ids = new Int32Array(tokens.length * length);
  const mask = new Float32Array(tokens.length * rows);
  const targets = new Float32Array(tokens.length * classes);
  tokens.forEach((text, b) => {
    ids.set(text, b * length);
    mask.fill(1, b * rows, b * rows + PROMPT + text.length);
    targets[b * classes + labels[b]] = 1;
  });
  return { ids, mask, targets };
}

/** `w` `[rows, columns]` as `[columns, rows]`. */
export function transposed({ shape: [rows, columns], data }) {
  const out = new Float32Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j];
  return { shape: [columns, rows], data: out };
}
