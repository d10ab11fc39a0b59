//! The method's input to the encoder: rows in front of the text, an update of the embeddings, hidden states.

use burn::tensor::Tensor;

use crate::engine::{Entry, Pooling, Route};

/// The method's input to the encoder, besides a batch.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The rows in front of the text.
    pub prompt: Prompt,
    /// Rows `[N, D]` that are added to the word embeddings: row i to the i-th token of every text.
    pub update: Option<Tensor<2>>,
    /// Hidden states `[T - B P, D]` of [`states`](super::FrozenEncoder::states) after a number of layers, where the prompt is
    /// inserted; `None` if it is inserted at the word embeddings.
    pub states: Option<(usize, Tensor<2>)>,
}

/// Rows in front of every text.
#[derive(Debug, Clone)]
pub enum Prompt {
    /// None; the tensor, any `[1, D]`, determines the device.
    None(Tensor<2>),
    /// The same `[P, D]` for every example.
    Shared(Tensor<2>),
    /// Different for each example, concatenated: `[B P, D]`.
    PerExample(Tensor<2>),
    /// Keys and values of P prefix rows in every layer: `[P, 2 L D]`, `k_0 | v_0 | k_1 | v_1 | ..` (PEFT's `PREFIX_TUNING`).
    Prefix(Tensor<2>),
}

impl Inputs {
    /// Only a prompt, at the word embeddings.
    #[must_use]
    pub fn new(prompt: Prompt) -> Self {
        Self { prompt, update: None, states: None }
    }

    pub(super) fn route(&self, pooling: Pooling) -> Route {
        Route {
            entry: self.states.as_ref().map_or(Entry::Words, |(layers, _)| Entry::After(*layers)),
            pooling,
            per_example: matches!(self.prompt, Prompt::PerExample(_)),
            update: self.update.as_ref().map_or(0, |update| update.dims()[0]),
            prefix: matches!(self.prompt, Prompt::Prefix(_)),
        }
    }

    /// One matrix `[R, D]` of everything that is trained, and the hidden states.
    pub(super) fn join(self, hidden: usize) -> (Tensor<2>, Option<Tensor<2>>) {
        let states = self.states.map(|(_, states)| states);
        let mut parts: Vec<Tensor<2>> = self.update.into_iter().collect();
        match self.prompt {
            Prompt::Shared(rows) | Prompt::PerExample(rows) => parts.insert(0, rows),
            Prompt::Prefix(prefix) => {
                let [length, width] = prefix.dims();
                parts.push(prefix.reshape([length * width / hidden, hidden]));
            }
            Prompt::None(rows) if parts.is_empty() => parts.push(rows),
            Prompt::None(_) => {}
        }
        let one = parts.len() == 1;
        (if one { parts.remove(0) } else { Tensor::cat(parts, 0) }, states)
    }
}
