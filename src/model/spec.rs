//! The shape of an encoder and its weights on the host, as plain data.

use std::sync::Arc;

/// Sizes of a BERT-family encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderSpec {
    /// Transformer layers L.
    pub layers: usize,
    /// Hidden size D.
    pub hidden: usize,
    /// Attention heads H; the head size is D / H.
    pub heads: usize,
    /// Neurons of a feed-forward block F.
    pub ffn: usize,
    /// Vocabulary size V.
    pub vocab: usize,
    /// Number of positions; prompt rows use them, too.
    pub max_positions: usize,
    /// Epsilon of every layer norm.
    pub layer_norm_eps: f64,
}

impl EncoderSpec {
    /// Size of one attention head.
    #[must_use]
    pub fn head_size(&self) -> usize {
        self.hidden / self.heads
    }

    /// Number of weights, without the optional pooler.
    #[must_use]
    pub fn elements(&self) -> u64 {
        let [layers, d, f] = [self.layers, self.hidden, self.ffn].map(|size| size as u64);
        let layer = 4 * d * (d + 1) + 2 * d * f + f + d + 4 * d;
        (self.vocab + self.max_positions) as u64 * d + 2 * d + layers * layer
    }

    /// The largest matrix that is uploaded to a GPU as one buffer: its name, and its rows of [`Self::hidden`] numbers. Of the
    /// word embeddings, only the rows in use are uploaded.
    #[must_use]
    pub fn largest_weight(&self) -> (&'static str, usize) {
        let [attention, ffn, position] = [3 * self.hidden, self.ffn, self.max_positions];
        if position > attention.max(ffn) {
            ("position", position)
        } else if ffn > attention {
            ("feed-forward", ffn)
        } else {
            ("attention", attention)
        }
    }
}

/// `y = x W^T + b`, stored as on the hub.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearWeights {
    /// `[out, in]`, row-major.
    pub weight: Vec<f32>,
    /// `[out]`.
    pub bias: Vec<f32>,
}

/// A layer norm's scale and shift.
#[derive(Debug, Clone, PartialEq)]
pub struct NormWeights {
    /// Scale `[D]`.
    pub gamma: Vec<f32>,
    /// Shift `[D]`.
    pub beta: Vec<f32>,
}

/// One post-norm transformer layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerWeights {
    /// Query, key and value products as one matrix, in this order: `[3 D, D]`.
    pub qkv: LinearWeights,
    /// Attention output `[D, D]`.
    pub attention_out: LinearWeights,
    /// Norm after the attention's residual.
    pub attention_norm: NormWeights,
    /// Feed-forward in `[F, D]`.
    pub ffn_in: LinearWeights,
    /// Feed-forward out `[D, F]`.
    pub ffn_out: LinearWeights,
    /// Norm after the feed-forward's residual.
    pub ffn_norm: NormWeights,
}

/// All weights of a frozen encoder, in f32 on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderWeights {
    /// Sizes.
    pub spec: EncoderSpec,
    /// Word embeddings `[V, D]`.
    pub word: Arc<Vec<f32>>,
    /// Position embeddings plus the embedding of token type 0: `[max_positions, D]`.
    pub position: Vec<f32>,
    /// Norm of the embeddings.
    pub embed_norm: NormWeights,
    /// Layers, lowest first.
    pub layers: Vec<LayerWeights>,
    /// The pooler `[D, D]`, if the checkpoint has one.
    pub pooler: Option<LinearWeights>,
}

impl EncoderWeights {
    /// Number of elements in all matrices, biases and norms.
    #[must_use]
    pub fn count(&self) -> usize {
        let linear = |linear: &LinearWeights| linear.weight.len() + linear.bias.len();
        let norm = |norm: &NormWeights| norm.gamma.len() + norm.beta.len();
        let layer = |layer: &LayerWeights| {
            let linears = [&layer.qkv, &layer.attention_out, &layer.ffn_in, &layer.ffn_out];
            linears.into_iter().map(linear).sum::<usize>() + norm(&layer.attention_norm) + norm(&layer.ffn_norm)
        };
        let layers = self.layers.iter().map(layer).sum::<usize>();
        self.word.len() + self.position.len() + norm(&self.embed_norm) + layers + self.pooler.as_ref().map_or(0, linear)
    }

    /// Mean and standard deviation of the word embeddings' elements.
    #[must_use]
    pub fn word_spread(&self) -> (f64, f64) {
        let count = self.word.len().max(1) as f64;
        let mean = self.word.iter().map(|&w| f64::from(w)).sum::<f64>() / count;
        let variance = self.word.iter().map(|&w| (f64::from(w) - mean).powi(2)).sum::<f64>() / count;
        (mean, variance.sqrt())
    }
}
