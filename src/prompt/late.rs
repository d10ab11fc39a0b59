//! Late prompt tuning (Liu, Sun, Huang and Qiu 2022, "Late Prompt Tuning", arXiv 2210.11292, section 3): the prompt is inserted
//! in front of the hidden states `H` `[n, D]` of the text after k layers, so nothing is trained below it. Its rows are free, or a
//! generator with a bottleneck of size c computes them from `H` of each text; matrices and order of operations are those of the
//! authors' code:
//!
//! * naive (NPG): `z = relu(W1 h + b1)` of one vector h, `vec(P) = W2 z + b2`, `W2 [P D, c]`; h is the hidden state of `[CLS]`
//!   as in the authors' code, or the mean of the text's hidden states ([`Reads`])
//! * average, max (APPG, MPPG): `U = H W1^T + b1`, V = P bins of U (PyTorch's `AdaptiveAvgPool1d`, `AdaptiveMaxPool1d`),
//!   `P = relu(V) W2^T + b2`, `W2 [D, c]` shared by the rows
//!
//! There is no dropout; the frozen encoder has none, either.

use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::prompt_tuning::NAME;
use super::{Context, Given, Parameter, PromptMethod, Sizes, Start};
use crate::config::{Generator, PromptConfig, Reads};
use crate::data::batch::PackedBatch;
use crate::engine::boundary::Prompt;
use crate::error::{Error, Result};
use crate::rng::Rng;

/// Names of the generator's matrices in adapters.
const NAMES: [&str; 4] = ["generator.down.weight", "generator.down.bias", "generator.up.weight", "generator.up.bias"];

pub(super) struct Late {
    config: PromptConfig,
    /// Layers L of the encoder.
    layers: usize,
}

impl Late {
    pub(super) fn new(config: PromptConfig, layers: usize) -> Self {
        Self { config, layers }
    }

    /// Layers k below the prompt.
    fn layer(&self) -> usize {
        self.config.late.layer.unwrap_or(self.layers / 2)
    }

    /// The shape of each matrix, in the order of [`NAMES`]; for free rows, of the single matrix.
    fn shapes(&self, hidden: usize) -> Vec<[usize; 2]> {
        let (length, neurons) = (self.config.length, self.config.late.bottleneck);
        let outputs = match self.config.late.generator {
            Generator::None => return vec![[length, hidden]],
            Generator::Naive => length * hidden,
            Generator::Average | Generator::Max => hidden,
        };
        vec![[neurons, hidden], [1, neurons], [outputs, neurons], [1, outputs]]
    }

    /// For every prompt row of every example, the packed text rows of its bin: `floor(i n / P) .. ceil((i + 1) n / P)`. If a text
    /// has fewer rows than the prompt, bins share rows.
    fn bins(&self, batch: &PackedBatch) -> Vec<std::ops::Range<usize>> {
        let length = self.config.length;
        let bins = texts(batch).flat_map(|(first, rows)| {
            (0..length).map(move |i| first + i * rows / length..first + ((i + 1) * rows).div_ceil(length))
        });
        bins.collect()
    }
}

impl PromptMethod for Late {
    fn prompt_length(&self) -> usize {
        self.config.length
    }

    /// [`PromptMethod::initial`] rejects a layer that does not exist; a run calls it after it has computed hidden states.
    fn entry(&self) -> Option<usize> {
        Some(self.layer().min(self.layers.saturating_sub(1)))
    }

    fn cache_bytes(&self) -> u64 {
        self.config.late.cache_mb.saturating_mul(1 << 20)
    }

    fn trained(&self, sizes: Sizes) -> Vec<(&'static str, [usize; 2])> {
        let free = self.config.late.generator == Generator::None;
        let setting = if free { "prompt.length" } else { "prompt.late.bottleneck" };
        self.shapes(sizes.hidden).into_iter().map(|shape| (setting, shape)).collect()
    }

    fn initial(&self, mut start: Start<'_>) -> Result<Vec<Parameter>> {
        let (layer, last) = (self.layer(), self.layers.saturating_sub(1));
        if layer > last {
            return Err(Error::config(
                "prompt.late.layer",
                format!("{layer} layers below the prompt, but the encoder has {}", self.layers),
                format!("use 0 to {last}: at least one layer must be above the prompt"),
            ));
        }
        let hidden = start.weights.spec.hidden;
        let shapes = self.shapes(hidden);
        if self.config.late.generator == Generator::None {
            return Ok(vec![Parameter::new(NAME, shapes[0], like_states(start.states, shapes[0], &mut start.rng))]);
        }
        // PyTorch's default for a linear layer, as in the authors' code: weight and bias uniform in 1 / sqrt(inputs).
        let inputs = [hidden, hidden, self.config.late.bottleneck, self.config.late.bottleneck];
        let linear = |((name, shape), inputs): ((&'static str, [usize; 2]), usize)| {
            let bound = 1.0 / (inputs as f64).sqrt();
            let values = (0..shape[0] * shape[1]).map(|_| (bound * (2.0 * start.rng.uniform() - 1.0)) as f32).collect();
            Parameter::new(name, shape, values).with_rate(self.config.late.generator_lr)
        };
        Ok(NAMES.into_iter().zip(shapes).zip(inputs).map(linear).collect())
    }

    fn given(&self, parameters: &[Tensor<2>], context: &Context<'_>) -> Given {
        let generator = self.config.late.generator;
        let [down, down_bias, up, up_bias] = match parameters {
            [rows] => return Prompt::Shared(rows.clone()).into(),
            _ => [0, 1, 2, 3].map(|i: usize| parameters[i].clone()),
        };
        let states = context.states.clone().expect("a method with an entry is given states");
        let device = states.device();
        let [length, hidden, examples] = [self.config.length, states.dims()[1], context.batch.examples()];
        let linear = |x: Tensor<2>| x.matmul(down.transpose()) + down_bias;
        let pooled = match generator {
            Generator::None | Generator::Naive => linear(match self.config.late.reads {
                Reads::First => {
                    let first: Vec<usize> = texts(context.batch).map(|(first, _)| first).collect();
                    rows(states, &first, &device)
                }
                Reads::Mean => {
                    let whole: Vec<_> = texts(context.batch).map(|(first, rows)| first..first + rows).collect();
                    means(&whole, states.dims()[0], &device).matmul(states)
                }
            }),
            // The mean of a linear layer is the linear layer of the mean. Pooling first, no gradient passes through the pooling.
            Generator::Average => linear(means(&self.bins(context.batch), states.dims()[0], &device).matmul(states)),
            Generator::Max => {
                let bins = self.bins(context.batch);
                let widest = bins.iter().map(ExactSizeIterator::len).max().unwrap_or(1);
                // Bins padded to one width by repeating their last row, which does not change the maximum.
                let all: Vec<usize> = bins.iter().flat_map(|bin| (0..widest).map(|i| (bin.start + i).min(bin.end - 1))).collect();
                let made = linear(rows(states, &all, &device));
                let neurons = made.dims()[1];
                made.reshape([bins.len(), widest, neurons]).max_dim(1).reshape([bins.len(), neurons])
            }
        };
        let made = relu(pooled).matmul(up.transpose()) + up_bias;
        Prompt::PerExample(made.reshape([examples * length, hidden])).into()
    }

    fn stored(&self, sizes: Sizes) -> Vec<(&'static str, [usize; 2])> {
        let names: &[&'static str] = if self.config.late.generator == Generator::None { &[NAME] } else { &NAMES };
        names.iter().copied().zip(self.shapes(sizes.hidden)).collect()
    }
}

/// For every example, its first packed text row and the number of its text rows.
fn texts(batch: &PackedBatch) -> impl Iterator<Item = (usize, usize)> {
    let (length, offsets) = (batch.prompt_length(), batch.offsets());
    let text =
        move |(example, ends): (usize, &[u32])| (ends[0] as usize - example * length, (ends[1] - ends[0]) as usize - length);
    offsets.windows(2).enumerate().map(text)
}

/// Selected rows of hidden states `[T, D]`.
fn rows(states: Tensor<2>, rows: &[usize], device: &Device) -> Tensor<2> {
    let rows: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    let count = rows.len();
    states.select(0, Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), device))
}

/// The matrix `[bins, T]` that averages each bin of T rows.
fn means(bins: &[std::ops::Range<usize>], rows: usize, device: &Device) -> Tensor<2> {
    let mut matrix = vec![0f32; bins.len() * rows];
    for (row, bin) in matrix.chunks_exact_mut(rows).zip(bins) {
        row[bin.clone()].fill(1.0 / bin.len() as f32);
    }
    Tensor::from_data(TensorData::new(matrix, [bins.len(), rows]), device)
}

/// Random rows like the hidden states `[n, D]` at the layer: each column is normally distributed with its mean and standard
/// deviation there. No layer norm follows the insertion to correct the scale. Without states, standard normal, as in the authors'
/// code.
fn like_states(states: &[f32], [length, hidden]: [usize; 2], rng: &mut Rng) -> Vec<f32> {
    let count = (states.len() / hidden).max(1) as f64;
    let sum = |f: &dyn Fn(usize, f64) -> f64| {
        let mut sums = vec![0f64; hidden];
        for row in states.chunks_exact(hidden) {
            sums.iter_mut().zip(row).enumerate().for_each(|(i, (sum, &value))| *sum += f(i, f64::from(value)));
        }
        sums
    };
    let means: Vec<f64> = sum(&|_, value| value).into_iter().map(|sum| sum / count).collect();
    let spreads: Vec<f64> = match states.is_empty() {
        true => vec![1.0; hidden],
        false => sum(&|i, value| (value - means[i]).powi(2)).into_iter().map(|sum| (sum / count).sqrt()).collect(),
    };
    (0..length * hidden).map(|i| (means[i % hidden] + spreads[i % hidden] * rng.normal()) as f32).collect()
}
