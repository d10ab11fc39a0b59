/**
 * The step in jax-js: loss, gradients, clipping and AdamW in one `jit`, as its documentation advises. Texts are padded to a
 * multiple of 8 tokens: jit compiles once for each shape, and this keeps the shapes few. Its optimizer package is not on npm, so
 * that AdamW is written out.
 *
 * In jax-js a call consumes its arguments; `.ref` keeps one.
 */
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { PROMPT, firstPrompt, optimizerOf, pad, paddedLength, positions } from "./task.js";

const MULTIPLE = 8;

export async function jax(device, { encoder, config, classes, batches }) {
  if (!(await init(device)).includes(device)) throw new Error(`jax-js has no device ${device} here`);
  defaultDevice(device);
  const optimizer = optimizerOf(config);
  const array = (data, shape) => np.array(data, { shape, device });
  const zeros = (shape) => np.zeros(shape, { device });

  const longest = Math.max(...batches.map((batch) => paddedLength(batch, MULTIPLE)));
  const frozen = weightsOf(encoder, array, PROMPT + longest);
  let trained = {
    prompt: array(firstPrompt(encoder), [PROMPT, encoder.hidden]),
    weight: zeros([classes, encoder.hidden]),
    bias: zeros([classes]),
  };
  let first = tree.map((x) => zeros(x.shape), trained);
  let second = tree.map((x) => zeros(x.shape), trained);
  let steps = 0;
  const compiled = new Set();
  const run = jit((...args) => trainingStep(encoder, optimizer, ...args));

  function inputs(i) {
    const batch = batches[i % batches.length];
    const length = paddedLength(batch, MULTIPLE);
    const { ids, mask, targets } = pad(batch, length, classes);
    const texts = batch.tokens.length;
    return {
      ids: np.array(ids, { shape: [texts, length], dtype: np.int32, device }),
      mask: array(mask, [texts, PROMPT + length]),
      targets: array(targets, [texts, classes]),
    };
  }

  const call = (i, t) => {
    const corrections = array(new Float32Array([1 - optimizer.beta1 ** t, 1 - optimizer.beta2 ** t]), [2]);
    const state = [trained, first, second, frozen].map((part) => tree.ref(part));
    return run(...state, inputs(i), corrections);
  };

  /** Compiles the step for a batch's shape: a step whose result is thrown away. */
  async function prepare(i) {
    defaultDevice(device);
    const length = paddedLength(batches[i % batches.length], MULTIPLE);
    if (compiled.has(length)) return;
    const result = await blockUntilReady(call(i, steps + 1));
    tree.dispose(result);
    compiled.add(length);
  }

  async function step(i) {
    defaultDevice(device);
    steps += 1;
    const [loss, ...next] = call(i, steps);
    tree.dispose([trained, first, second]);
    [trained, first, second] = next;
    const [value] = await loss.data();
    // Its wasm backend gives the loss as soon as the forward pass is over, while the rest of the step waits for its threads.
    await blockUntilReady(next);
    compiled.add(paddedLength(batches[i % batches.length], MULTIPLE));
    return value;
  }

  return {
    device,
    step,
    prepare,
    end: () => {
      tree.dispose([trained, first, second, frozen]);
      run.dispose();
    },
  };
}

function weightsOf(encoder, array, rows) {
  const get = (name) => array(encoder.weights[name].data, encoder.weights[name].shape);
  const linear = (name) => ({ weight: get(`${name}.weight`), bias: get(`${name}.bias`) });
  return {
    words: get("embeddings.word_embeddings.weight"),
    positions: array(positions(encoder, rows), [rows, encoder.hidden]),
    norm: linear("embeddings.LayerNorm"),
    layers: Array.from({ length: encoder.layers }, (_, i) => {
      const at = `encoder.layer.${i}`;
      return {
        // Not one product for all three: the gradient through its slices comes out wrong under `jit` on WebGPU (0.1.25).
        inputs: ["query", "key", "value"].map((name) => linear(`${at}.attention.self.${name}`)),
        out: linear(`${at}.attention.output.dense`),
        attentionNorm: linear(`${at}.attention.output.LayerNorm`),
        up: linear(`${at}.intermediate.dense`),
        down: linear(`${at}.output.dense`),
        norm: linear(`${at}.output.LayerNorm`),
      };
    }),
  };
}

/** One step: the loss, then the next parameters and moments. */
function trainingStep(encoder, optimizer, trained, first, second, frozen, inputs, corrections) {
  const { beta1, beta2, epsilon, weightDecay, clipNorm, clipEpsilon, promptRate, headRate } = optimizer;
  const lossOfTrained = valueAndGrad((parameters) => lossOf(encoder, optimizer.featureScale, parameters, frozen, inputs));
  const [loss, gradients] = lossOfTrained(tree.ref(trained));

  const squares = tree.leaves(gradients).map((gradient) => np.square(gradient.ref).sum());
  const norm = np.sqrt(squares.reduce((a, b) => a.add(b)));
  const factor = np.minimum(np.array(clipNorm).div(norm.add(clipEpsilon)), 1);
  const [correction1, correction2] = [corrections.ref.slice(0), corrections.slice(1)];
  const next = { trained: {}, first: {}, second: {} };
  for (const [name, rate] of Object.entries({ prompt: promptRate, weight: headRate, bias: headRate })) {
    const gradient = gradients[name].mul(factor.ref);
    const m = first[name].mul(beta1).add(gradient.ref.mul(1 - beta1));
    const v = second[name].mul(beta2).add(np.square(gradient).mul(1 - beta2));
    const root = np.sqrt(v.ref).div(np.sqrt(correction2.ref)).add(epsilon);
    const change = m.ref.div(root).mul(rate).div(correction1.ref);
    next.trained[name] = trained[name].mul(1 - rate * weightDecay).sub(change);
    next.first[name] = m;
    next.second[name] = v;
  }
  for (const used of [factor, correction1, correction2]) used.dispose();
  return [loss, next.trained, next.first, next.second];
}

const linear = ({ weight, bias }, x) => np.dot(x, weight.transpose()).add(bias);

function layerNorm({ weight, bias }, x, epsilon) {
  const centred = x.ref.sub(x.mean(-1, { keepdims: true }));
  const variance = np.square(centred.ref).mean(-1, { keepdims: true });
  return centred.div(np.sqrt(variance.add(epsilon))).mul(weight).add(bias);
}

/** Mean cross-entropy of a batch. */
function lossOf({ hidden, heads, epsilon }, featureScale, { prompt, weight, bias }, frozen, { ids, mask, targets }) {
  const [texts, length] = ids.shape;
  const rows = PROMPT + length;
  const tokens = frozen.words.slice(ids);
  const prompts = np.broadcastTo(prompt, [texts, PROMPT, hidden]);
  let x = np.concatenate([prompts, tokens], 1).add(frozen.positions.slice([0, rows]));
  x = layerNorm(frozen.norm, x, epsilon);
  const attends = mask.ref.reshape([texts, 1, 1, rows]).greater(0);
  for (const layer of frozen.layers) {
    const [query, key, value] = layer.inputs.map((weights) => linear(weights, x.ref).reshape([texts, rows, heads, hidden / heads]));
    const mixed = nn.dotProductAttention(query, key, value, { mask: attends.ref }).reshape([texts, rows, hidden]);
    x = layerNorm(layer.attentionNorm, x.add(linear(layer.out, mixed)), epsilon);
    const inner = nn.gelu(linear(layer.up, x.ref), { approximate: false });
    x = layerNorm(layer.norm, x.add(linear(layer.down, inner)), epsilon);
  }
  attends.dispose();
  const kept = mask.reshape([texts, rows, 1]);
  const pooled = x.mul(kept.ref).sum(1).div(kept.sum(1));
  const scores = linear({ weight, bias }, pooled.mul(featureScale));
  return nn.logSoftmax(scores, -1).mul(targets).sum(-1).mean().mul(-1);
}
