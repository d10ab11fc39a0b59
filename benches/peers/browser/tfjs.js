/**
 * The step in TensorFlow.js: `tf.variableGrads` in `tf.tidy`, weights stored `[in, out]` as its Dense layer stores them, texts
 * padded to the longest of the batch. There is no AdamW in it, so that the update is written out.
 */
import { PROMPT, firstPrompt, optimizerOf, pad, paddedLength, positions, transposed } from "./task.js";

const { tf } = globalThis;
tf.wasm.setWasmPaths("/node_modules/@tensorflow/tfjs-backend-wasm/dist/");

export async function tfjs(backend, { encoder, config, classes, batches }) {
  const optimizer = optimizerOf(config);
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js has no backend ${backend} here`);
  await tf.ready();

  const longest = Math.max(...batches.map((batch) => paddedLength(batch, 1)));
  const frozen = tf.tidy(() => weightsOf(encoder, PROMPT + longest));
  const trained = [
    tf.variable(tf.tensor2d(firstPrompt(encoder), [PROMPT, encoder.hidden])),
    tf.variable(tf.zeros([encoder.hidden, classes])),
    tf.variable(tf.zeros([classes])),
  ];
  const moments = trained.map((variable) => [tf.variable(tf.zerosLike(variable)), tf.variable(tf.zerosLike(variable))]);
  const rates = [optimizer.promptRate, optimizer.headRate, optimizer.headRate];
  let steps = 0;

  async function step(i) {
    await tf.setBackend(backend);
    const batch = batches[i % batches.length];
    const length = paddedLength(batch, 1);
    const { ids, mask, targets } = pad(batch, length, classes);
    steps += 1;
    const loss = tf.tidy(() => {
      const inputs = {
        ids: tf.tensor2d(ids, [batch.tokens.length, length], "int32"),
        mask: tf.tensor2d(mask, [batch.tokens.length, PROMPT + length]),
        targets: tf.tensor2d(targets, [batch.tokens.length, classes]),
      };
      const { value, grads } = tf.variableGrads(() => lossOf(encoder, frozen, trained, inputs, optimizer.featureScale), trained);
      update(trained.map((variable) => grads[variable.name]));
      return value;
    });
    const [value] = await loss.data();
    loss.dispose();
    return value;
  }

  /** Global clipping, then AdamW. */
  function update(gradients) {
    const { beta1, beta2, epsilon, weightDecay, clipNorm, clipEpsilon } = optimizer;
    const norm = tf.sqrt(tf.addN(gradients.map((gradient) => tf.sum(tf.square(gradient)))));
    const factor = tf.minimum(tf.div(clipNorm, tf.add(norm, clipEpsilon)), 1);
    trained.forEach((variable, i) => {
      const gradient = gradients[i].mul(factor);
      const [first, second] = moments[i];
      first.assign(first.mul(beta1).add(gradient.mul(1 - beta1)));
      second.assign(second.mul(beta2).add(gradient.square().mul(1 - beta2)));
      const root = second.sqrt().div(Math.sqrt(1 - beta2 ** steps)).add(epsilon);
      const change = first.div(root).mul(rates[i] / (1 - beta1 ** steps));
      variable.assign(variable.mul(1 - rates[i] * weightDecay).sub(change));
    });
  }

  return { device: backend, step, end: () => tf.dispose([frozen, trained, moments]) };
}

function weightsOf(encoder, rows) {
  const tensor = (weight) => tf.keep(tf.tensor(weight.data, weight.shape));
  const get = (name) => encoder.weights[name];
  const linear = (name) => ({ weight: tensor(transposed(get(`${name}.weight`))), bias: tensor(get(`${name}.bias`)) });
  const norm = (name) => ({ gamma: tensor(get(`${name}.weight`)), beta: tensor(get(`${name}.bias`)) });
  return {
    words: tensor(get("embeddings.word_embeddings.weight")),
    positions: tensor({ data: positions(encoder, rows), shape: [rows, encoder.hidden] }),
    norm: norm("embeddings.LayerNorm"),
    layers: Array.from({ length: encoder.layers }, (_, i) => {
      const at = `encoder.layer.${i}`;
      return {
        query: linear(`${at}.attention.self.query`),
        key: linear(`${at}.attention.self.key`),
        value: linear(`${at}.attention.self.value`),
        out: linear(`${at}.attention.output.dense`),
        attentionNorm: norm(`${at}.attention.output.LayerNorm`),
        up: linear(`${at}.intermediate.dense`),
        down: linear(`${at}.output.dense`),
        norm: norm(`${at}.output.LayerNorm`),
      };
    }),
  };
}

const dense = (x, { weight, bias }) => tf.matMul(x, weight).add(bias);

const gelu = (x) => x.mul(0.5).mul(tf.erf(x.mul(Math.SQRT1_2)).add(1));

function layerNorm(x, { gamma, beta }, epsilon) {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).mul(tf.rsqrt(variance.add(epsilon))).mul(gamma).add(beta);
}

/** Mean cross-entropy of a batch. */
function lossOf({ hidden, heads, epsilon }, frozen, [prompt, headWeight, headBias], { ids, mask, targets }, featureScale) {
  const [texts, length] = ids.shape;
  const rows = PROMPT + length;
  const split = (x) => x.reshape([texts, rows, heads, hidden / heads]).transpose([0, 2, 1, 3]);

  const tokens = tf.gather(frozen.words, ids);
  const prompts = tf.tile(prompt.expandDims(0), [texts, 1, 1]);
  let x = tf.concat([prompts, tokens], 1).add(frozen.positions.slice([0, 0], [rows, hidden]));
  x = layerNorm(x, frozen.norm, epsilon).reshape([texts * rows, hidden]);
  const bias = mask.sub(1).mul(1e9).reshape([texts, 1, 1, rows]);
  for (const layer of frozen.layers) {
    const [query, key, value] = [layer.query, layer.key, layer.value].map((weights) => split(dense(x, weights)));
    const scores = tf.matMul(query, key, false, true).mul(1 / Math.sqrt(hidden / heads)).add(bias);
    const mixed = tf.matMul(tf.softmax(scores), value).transpose([0, 2, 1, 3]).reshape([texts * rows, hidden]);
    x = layerNorm(x.add(dense(mixed, layer.out)), layer.attentionNorm, epsilon);
    x = layerNorm(x.add(dense(gelu(dense(x, layer.up)), layer.down)), layer.norm, epsilon);
  }
  const kept = mask.expandDims(2);
  const pooled = x.reshape([texts, rows, hidden]).mul(kept).sum(1).div(kept.sum(1));
  const scores = tf.matMul(pooled.mul(featureScale), headWeight).add(headBias);
  return tf.neg(tf.logSoftmax(scores).mul(targets).sum(1).mean());
}
