//! Our WGSL kernels against burn's own operations on the same device: the encoder as one would write it with burn, padded to the
//! longest text, with frozen weights outside the graph. Losses drift apart by about 1e-4 in the first eight steps, a hundred
//! times as far as from PyTorch's (perhaps because of burn's polynomial `erf`; not investigated).

use burn::optim::{AdamW, AdamWConfig, AdamWState, Optimizer};
use burn::tensor::activation::{gelu, log_softmax, softmax};
use burn::tensor::module::{embedding, layer_norm, linear};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::{Value, json};
use softprompt::config::RunConfig;
use softprompt::data::batch::Example;
use softprompt::engine::compute::Compute;
use softprompt::model::spec::{EncoderSpec, EncoderWeights, LinearWeights, NormWeights};

use crate::{Bench, FIRST_TOKEN, Outcome, TOLERANCE, in_turn, mean, timed};

/// Steps whose losses are compared: those of burn's operations drift away from PyTorch's and ours, by 1e-4 to 3e-3 in six steps.
const CHECKED: usize = 3;

/// Added to the attention scores of padding.
const MASKED: f32 = -1e9;

/// `x W + b` with the weight in burn's layout, `[in, out]`.
struct Linear(Tensor<2>, Tensor<1>);

impl Linear {
    fn new(LinearWeights { weight, bias }: &LinearWeights, device: &Device) -> Self {
        Self::rows(weight, bias, device)
    }

    /// From a weight `[out, in]` and a bias `[out]`, or from a part of their rows.
    fn rows(weight: &[f32], bias: &[f32], device: &Device) -> Self {
        let outputs = bias.len();
        let inputs = weight.len() / outputs;
        let transposed: Vec<f32> = (0..inputs).flat_map(|i| (0..outputs).map(move |o| weight[o * inputs + i])).collect();
        Self(
            Tensor::from_data(TensorData::new(transposed, [inputs, outputs]), device),
            Tensor::from_data(TensorData::new(bias.to_vec(), [outputs]), device),
        )
    }

    /// Query, key and value from the combined matrix.
    fn split(LinearWeights { weight, bias }: &LinearWeights, device: &Device) -> [Self; 3] {
        let (w, b) = (weight.len() / 3, bias.len() / 3);
        [0, 1, 2].map(|i| Self::rows(&weight[i * w..(i + 1) * w], &bias[i * b..(i + 1) * b], device))
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        linear(x, self.0.clone(), Some(self.1.clone()))
    }
}

struct Norm(Tensor<1>, Tensor<1>, f64);

impl Norm {
    fn new(weights: &NormWeights, epsilon: f64, device: &Device) -> Self {
        let vector = |values: &Vec<f32>| Tensor::from_data(TensorData::new(values.clone(), [values.len()]), device);
        Self(vector(&weights.gamma), vector(&weights.beta), epsilon)
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        layer_norm(x, self.0.clone(), Some(self.1.clone()), self.2)
    }
}

struct Layer {
    /// Separate, as in burn's own `MultiHeadAttention`: one product in three parts is 6% slower.
    query_key_value: [Linear; 3],
    attention_out: Linear,
    attention_norm: Norm,
    ffn_in: Linear,
    ffn_out: Linear,
    ffn_norm: Norm,
}

/// The frozen encoder; its tensors are on the device with autodiff, untracked.
struct Encoder {
    spec: EncoderSpec,
    word: Tensor<2>,
    position: Tensor<2>,
    embed_norm: Norm,
    layers: Vec<Layer>,
    device: Device,
}

impl Encoder {
    fn new(weights: &EncoderWeights, device: Device) -> Self {
        let spec = weights.spec.clone();
        let norm = |norm| Norm::new(norm, spec.layer_norm_eps, &device);
        let table = |values: &Vec<f32>| {
            Tensor::from_data(TensorData::new(values.clone(), [values.len() / spec.hidden, spec.hidden]), &device)
        };
        let layers = weights.layers.iter().map(|layer| Layer {
            query_key_value: Linear::split(&layer.qkv, &device),
            attention_out: Linear::new(&layer.attention_out, &device),
            attention_norm: norm(&layer.attention_norm),
            ffn_in: Linear::new(&layer.ffn_in, &device),
            ffn_out: Linear::new(&layer.ffn_out, &device),
            ffn_norm: norm(&layer.ffn_norm),
        });
        Self {
            word: table(&weights.word),
            position: table(&weights.position),
            embed_norm: norm(&weights.embed_norm),
            layers: layers.collect(),
            spec: spec.clone(),
            device: device.clone(),
        }
    }

    /// Pooled rows `[B, D]` behind the prompt rows `[P, D]`.
    fn forward(&self, batch: &Padded, prompt: Tensor<2>) -> Tensor<2> {
        let [examples, length] = batch.ids.dims();
        let [prompt_length, hidden] = prompt.dims();
        let rows = prompt_length + length;
        let prompts = prompt.unsqueeze::<3>().expand([examples, prompt_length, hidden]);
        let texts = embedding(self.word.clone(), batch.ids.clone());
        let positions = self.position.clone().narrow(0, 0, rows).unsqueeze::<3>();
        let mut h = self.embed_norm.forward(Tensor::cat(vec![prompts, texts], 1) + positions);
        for layer in &self.layers {
            let attended = layer.attention_out.forward(self.attention(layer, h.clone(), batch));
            h = layer.attention_norm.forward(h + attended);
            let neurons = gelu(layer.ffn_in.forward(h.clone()));
            h = layer.ffn_norm.forward(h + layer.ffn_out.forward(neurons));
        }
        (h * batch.share.clone()).sum_dim(1).squeeze_dim(1)
    }

    fn attention(&self, layer: &Layer, h: Tensor<3>, batch: &Padded) -> Tensor<3> {
        let [examples, rows, hidden] = h.dims();
        let (heads, size) = (self.spec.heads, self.spec.head_size());
        let [query, key, value] = layer.query_key_value.each_ref().map(|product| {
            let part = product.forward(h.clone());
            part.reshape([examples, rows, heads, size]).swap_dims(1, 2)
        });
        let scores = query.matmul(key.transpose()) / (size as f64).sqrt() + batch.bias.clone();
        softmax(scores, 3).matmul(value).swap_dims(1, 2).reshape([examples, rows, hidden])
    }
}

/// A batch on the device.
struct Padded {
    /// Token ids `[B, S]`, 0 for padding.
    ids: Tensor<2, Int>,
    /// For prompt and text rows, 1 / number of rows of the example; 0 for padding: `[B, P + S, 1]`.
    share: Tensor<3>,
    /// Added to attention scores: `[B, 1, 1, P + S]`.
    bias: Tensor<4>,
    /// -1 / B at the label: `[B, C]`.
    targets: Tensor<2>,
}

impl Padded {
    fn new(batch: &[Example], prompt_length: usize, classes: usize, device: &Device) -> Self {
        let count = batch.len();
        let longest = batch.iter().map(|example| example.tokens.len()).max().unwrap_or(0);
        let rows = prompt_length + longest;
        let (mut ids, mut share, mut bias) = (Vec::new(), Vec::new(), Vec::new());
        let mut targets = vec![0f32; count * classes];
        for (index, example) in batch.iter().enumerate() {
            let real = prompt_length + example.tokens.len();
            ids.extend(example.tokens.iter().map(|&id| id as i32));
            ids.resize((index + 1) * longest, 0);
            share.extend((0..rows).map(|row| if row < real { 1.0 / real as f32 } else { 0.0 }));
            bias.extend((0..rows).map(|row| if row < real { 0.0 } else { MASKED }));
            targets[index * classes + example.label as usize] = -1.0 / count as f32;
        }
        Self {
            ids: Tensor::from_data(TensorData::new(ids, [count, longest]), device),
            share: Tensor::from_data(TensorData::new(share, [count, rows, 1]), device),
            bias: Tensor::from_data(TensorData::new(bias, [count, 1, 1, rows]), device),
            targets: Tensor::from_data(TensorData::new(targets, [count, classes]), device),
        }
    }

    fn rows(&self) -> usize {
        self.share.dims().iter().product()
    }
}

/// The same training as [`softprompt::train::step::Trainer`] around the encoder above.
struct Theirs<'a> {
    encoder: &'a Encoder,
    batches: Vec<Padded>,
    /// Prompt `[P, D]`, head `[C, D]`, bias `[1, C]`; on the device without autodiff.
    parameters: Vec<Tensor<2>>,
    states: Vec<Option<AdamWState<2>>>,
    optimizer: AdamW,
    config: &'a RunConfig,
}

impl<'a> Theirs<'a> {
    fn new(bench: &'a Bench, encoder: &'a Encoder, set: &str, size: usize) -> Self {
        let (set, config) = (&bench.sets[set], &bench.config);
        let length = config.prompt.length;
        let batches = set.examples(size).iter().map(|b| Padded::new(b, length, set.classes, &encoder.device)).collect();
        let prompt = encoder.word.clone().inner().narrow(0, FIRST_TOKEN, length);
        let plain = prompt.device();
        let zeros = |shape: [usize; 2]| Tensor::<2>::zeros(shape, &plain);
        let parameters = vec![prompt, zeros([set.classes, encoder.spec.hidden]), zeros([1, set.classes])];
        let optimizer = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(config.optim.weight_decay as f32).build();
        Self { encoder, batches, states: vec![None; parameters.len()], parameters, optimizer, config }
    }

    fn step(&mut self, index: usize) -> Tensor<1> {
        let batch = &self.batches[index % self.batches.len()];
        let tracked: Vec<Tensor<2>> = self.parameters.iter().map(|p| p.clone().autodiff().require_grad()).collect();
        let pooled = self.encoder.forward(batch, tracked[0].clone());
        let logits = (pooled * self.config.head.feature_scale).matmul(tracked[1].clone().transpose()) + tracked[2].clone();
        let loss = (log_softmax(logits, 1) * batch.targets.clone()).sum();
        let mut gradients = loss.backward();
        let gradients: Vec<Tensor<2>> =
            tracked.iter().map(|p| p.grad_remove(&mut gradients).expect("every parameter is used")).collect();
        let squares = gradients.iter().map(|g| g.clone().square().sum());
        let norm = squares.reduce(|a, b| a + b).expect("three parameters").sqrt();
        let factor = ((norm + 1e-6).recip() * self.config.optim.clip_norm).clamp_max(1.0).reshape([1, 1]);
        for (i, gradient) in gradients.into_iter().enumerate() {
            let rate = if i == 0 { self.config.optim.prompt_lr } else { self.config.optim.head_lr };
            let (parameter, state) =
                self.optimizer.step(rate, self.parameters[i].clone(), gradient * factor.clone(), self.states[i].take());
            self.parameters[i] = parameter;
            self.states[i] = state;
        }
        loss.inner()
    }
}

pub(crate) fn run(bench: &Bench) -> Outcome<Value> {
    let compute = pollster::block_on(Compute::gpu(&bench.weights))?;
    let encoder = Encoder::new(&bench.weights, compute.device.clone().autodiff());
    println!("\nour WGSL kernels, burn's own operations (without fusion and autotune); {}", compute.name);
    println!(
        "{:9} {:>5} {:>11} {:>11} {:>9} {:>9} {:>6} {:>10}",
        "set", "batch", "packed rows", "padded rows", "ours ms", "burn ms", "ratio", "loss diff."
    );
    let mut rows = Vec::new();
    for (set, size) in bench.tasks(&["snips", "sms_spam"], &[16])? {
        let mut ours = bench.ours(&compute, &set, size)?;
        let mut theirs = Theirs::new(bench, &encoder, &set, size);
        let padded: Vec<usize> = theirs.batches.iter().map(Padded::rows).collect();
        let (packed, padded) = (mean(&ours.rows()), mean(&padded));
        let timed = in_turn((CHECKED, TOLERANCE), 1, bench.args.burn_steps, |i| ours.step(i), |i| timed(|| Ok(theirs.step(i))))?;
        let ratio = timed.ours / timed.theirs;
        println!(
            "{set:9} {size:5} {packed:11.0} {padded:11.0} {:9.0} {:9.0} {ratio:6.3} {:10.1e}",
            timed.ours, timed.theirs, timed.difference
        );
        rows.push(json!({
            "set": set, "batch": size, "packed_rows": packed, "padded_rows": padded, "ours_ms": timed.ours,
            "burn_ms": timed.theirs, "ratio": ratio, "loss_difference": timed.difference,
        }));
    }
    Ok(json!({ "adapter": compute.name, "rows": rows }))
}
