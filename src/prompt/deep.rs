//! Prefix tuning of every layer (Li and Liang 2021, "Prefix-Tuning", arXiv 2101.00190; for encoders and classification Liu et al.
//! 2022, "P-Tuning v2", arXiv 2110.07602, section 3), as PEFT's `PREFIX_TUNING` without projection: P rows of free keys and
//! values `[P, 2 L D]`, `k_0 | v_0 | k_1 | v_1 | ..`, which every text row attends to. Text positions start at P.

use burn::tensor::Tensor;

use super::prompt_tuning::rows;
use super::{Context, Given, Parameter, PromptMethod, Sizes, Start};
use crate::config::{PromptConfig, PromptInit};
use crate::data::batch::{Example, PackedBatch};
use crate::engine::boundary::Prompt;
use crate::engine::cpu::CpuEncoder;
use crate::engine::cpu::matmul::{Epilogue, MatmulSize, matmul};
use crate::error::Result;

const NAME: &str = "prefix";

/// Standard deviation of random keys and values, the same as for all of BERT's weights (`initializer_range`). Such a key scores
/// near 0 for every query and such a value adds almost nothing, so that the encoder initially behaves as without a prefix. With
/// PEFT's standard deviation of 1, the attention of every layer would start as noise.
const SPREAD: f64 = 0.02;

pub(super) struct Deep {
    config: PromptConfig,
    /// Layers L of the encoder.
    layers: usize,
}

impl Deep {
    pub(super) fn new(config: PromptConfig, layers: usize) -> Self {
        Self { config, layers }
    }
}

impl PromptMethod for Deep {
    fn prompt_length(&self) -> usize {
        self.config.length
    }

    fn is_prefix(&self) -> bool {
        true
    }

    fn initial(&self, mut start: Start<'_>) -> Result<Vec<Parameter>> {
        let (length, width) = (self.config.length, 2 * self.layers * start.weights.spec.hidden);
        let values = match self.config.init {
            PromptInit::Random => (0..length * width).map(|_| (SPREAD * start.rng.normal()) as f32).collect(),
            _ => activations(&rows(&self.config, &mut start)?, length, &start)?,
        };
        Ok(vec![Parameter::new(NAME, [length, width], values)])
    }

    /// On a partial encoder: the keys and values of its layers.
    fn given(&self, parameters: &[Tensor<2>], context: &Context<'_>) -> Given {
        let prefix = parameters[0].clone();
        if context.layers.len() == self.layers {
            return Prompt::Prefix(prefix).into();
        }
        let [length, width] = prefix.dims();
        let each = width / self.layers;
        let layer = |&layer: &usize| prefix.clone().slice([0..length, layer * each..(layer + 1) * each]);
        Prompt::Prefix(Tensor::cat(context.layers.iter().map(layer).collect(), 1)).into()
    }

    fn stored(&self, sizes: Sizes) -> Vec<(&'static str, [usize; 2])> {
        vec![(NAME, [self.config.length, 2 * sizes.layers * sizes.hidden])]
    }
}

/// Keys and values `[P, 2 L D]` that the frozen encoder computes for token embeddings `[P, D]` in front of an empty text. Prefix
/// tuning works best when initialised with activations of real words (Li and Liang 2021, section 7.4).
fn activations(words: &[f32], length: usize, start: &Start<'_>) -> Result<Vec<f32>> {
    let weights = start.weights;
    let hidden = weights.spec.hidden;
    let empty = start.tokenizer.encode_batch(&[""], weights.spec.max_positions)?;
    let texts: Vec<Example> = empty.into_iter().map(|text| Example { tokens: text.ids, label: 0 }).collect();
    let states = CpuEncoder::<f32>::new(weights.clone()).hidden_states(&PackedBatch::new(&texts, length), words);
    let mut layers = Vec::with_capacity(weights.layers.len());
    for (layer, states) in weights.layers.iter().zip(&states) {
        let mut made = vec![0f32; length * 2 * hidden];
        // After the query in the combined product come key and value, adjacent as in the prefix.
        let (weight, bias) = (&layer.qkv.weight[hidden * hidden..], &layer.qkv.bias[hidden..]);
        let size = MatmulSize { m: length, n: 2 * hidden, k: hidden };
        matmul(&states[..length * hidden], weight, bias, &[], &mut made, &mut [], Epilogue::Bias, size);
        layers.push(made);
    }
    let row = |row: usize| layers.iter().flat_map(move |made| made[row * 2 * hidden..(row + 1) * 2 * hidden].iter().copied());
    Ok((0..length).flat_map(row).collect())
}
