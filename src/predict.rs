//! [`Predictor`]: an encoder with an adapter, for inference.

pub mod file;

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use serde::Serialize;

use crate::adapter::Adapter;
use crate::config::DeviceChoice;
use crate::data::batch::{Example, PackedBatch};
use crate::encoder::Encoder;
use crate::engine::boundary::Inputs;
use crate::engine::compute::{Compute, read};
use crate::error::{Error, Result};
use crate::eval::{argmax, softmax, vote_scores};
use crate::head::{Head, Linear};
use crate::prompt::{self, Context, Given, PromptMethod, Sizes};

/// Texts per pass in inference and evaluation.
pub const EVAL_BATCH: usize = 32;

/// A class and its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct LabelProbability {
    /// Class name.
    pub label: String,
    /// Probability, 0 to 1.
    pub probability: f32,
}

/// The prediction for a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Prediction {
    /// The most likely class.
    pub label: String,
    /// All classes, the most likely first.
    pub probabilities: Vec<LabelProbability>,
}

/// An encoder with an adapter, ready to classify. Any number of threads may share it. A crate that moves it to another thread may
/// need `#![recursion_limit = "256"]`, so that the compiler can resolve wgpu's types.
pub struct Predictor {
    model: Encoder,
    adapter: Adapter,
    compute: Compute,
    head: Head,
    method: Box<dyn PromptMethod>,
    /// The matrices stored in the adapter.
    stored: Vec<Tensor<2>>,
    /// Of the head: weight `[N C, D]` and bias `[N, C]` of N members.
    linear: Linear<Tensor<2>>,
    layers: Vec<usize>,
}

/// Several threads can use one predictor at the same time.
#[cfg(not(target_family = "wasm"))]
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Predictor>();
};

impl Predictor {
    /// Opens the device of the choice `device`.
    ///
    /// # Errors
    /// [`Error::Adapter`] if the adapter was trained with another encoder; [`Error::Device`] if the device cannot be used.
    pub async fn new(model: Encoder, adapter: Adapter, device: DeviceChoice) -> Result<Self> {
        let limit = model.text_limit(adapter.config.data.max_tokens, adapter.prompt_length())?;
        let sample = Example { tokens: vec![0; limit.min(32)], label: 0 };
        let batch = PackedBatch::new(std::iter::repeat_n(&sample, EVAL_BATCH), adapter.prompt_length());
        let chosen = model.compute(device, &Arc::new(batch)).await?;
        Self::on(&chosen.compute, model, adapter)
    }

    /// Uses an open device.
    ///
    /// # Errors
    /// [`Error::Adapter`] if the adapter was trained with another encoder.
    pub fn on(compute: &Compute, model: Encoder, adapter: Adapter) -> Result<Self> {
        adapter.check_encoder(model.spec())?;
        let hidden = model.spec().hidden;
        if adapter.base_model.sha256.as_deref().is_some_and(|sha256| sha256 != model.sha256()) {
            return Err(Error::adapter(
                format!("the adapter was trained with different weights of {}", adapter.base_model.name),
                "use the same version of the encoder that the adapter names",
            ));
        }
        if let Some(sha256) = &adapter.base_model.tokenizer_sha256
            && sha256 != model.tokenizer().sha256()?
        {
            return Err(Error::adapter(
                format!("the adapter was made with another tokenizer of {}", adapter.base_model.name),
                "load the tokenizer.json (or vocab.txt) that belongs to the encoder of the adapter",
            ));
        }
        let tensor = |values: &[f32], rows: usize, columns: usize| {
            Tensor::<2>::from_data(TensorData::new(values.to_vec(), [rows, columns]), &compute.device)
        };
        let method = prompt::method(&adapter.config, model.spec());
        let (classes, members) = (adapter.labels.len(), method.members());
        let longest = model.text_limit(adapter.config.data.max_tokens, method.prompt_length())?;
        let wanted = method.stored(Sizes { hidden, layers: model.spec().layers, longest });
        let found = adapter.stored.iter().map(|matrix| (matrix.name.as_str(), matrix.shape));
        if !found.clone().eq(wanted.iter().copied()) {
            return Err(Error::adapter(
                format!("the adapter has {:?}, but its settings require {wanted:?}", found.collect::<Vec<_>>()),
                "the adapter is damaged or was edited; export it again",
            ));
        }
        Ok(Self {
            head: Head::new(&adapter.config.head, method.prompt_length(), method.is_prefix(), model.weights(), &compute.device)?,
            stored: adapter.stored.iter().map(|m| tensor(&m.values, m.shape[0], m.shape[1])).collect(),
            method,
            linear: Linear {
                weight: tensor(&adapter.head_weight, members * classes, hidden),
                bias: tensor(&adapter.head_bias, members, classes),
            },
            compute: compute.clone(),
            layers: (0..model.spec().layers).collect(),
            model,
            adapter,
        })
    }

    /// The adapter.
    #[must_use]
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// The device in use.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.compute.name
    }

    /// Whether a text is empty for the encoder: it contains no characters, or only invisible ones. Such a text cannot be
    /// classified.
    #[must_use]
    pub fn is_empty(&self, text: &str) -> bool {
        text.trim().is_empty() || self.model.tokenizer().pieces(text).is_ok_and(|pieces| pieces.is_empty())
    }

    /// Logits of texts, row-major `[n, C]`.
    ///
    /// # Errors
    /// [`Error::Device`] if the device failed.
    pub async fn logits(&self, texts: &[&str]) -> Result<Vec<f32>> {
        let limit = self.model.text_limit(self.adapter.config.data.max_tokens, self.method.prompt_length())?;
        let mut scores = Vec::with_capacity(texts.len() * self.adapter.labels.len());
        for chunk in texts.chunks(EVAL_BATCH) {
            let encoded = self.model.tokenizer().encode_batch(chunk, limit)?;
            let examples: Vec<Example> = encoded.into_iter().map(|e| Example { tokens: e.ids, label: 0 }).collect();
            scores.extend(self.scores(&examples).await?);
        }
        Ok(scores)
    }

    /// Logits of examples in one pass, row-major `[n, C]`; at most [`EVAL_BATCH`] examples.
    ///
    /// # Errors
    /// [`Error::Device`] if the device failed.
    pub async fn scores(&self, examples: &[Example]) -> Result<Vec<f32>> {
        let members = self.method.members();
        let repeated: Vec<&Example> = std::iter::repeat_n(examples, members).flatten().collect();
        let batch = Arc::new(PackedBatch::new(repeated.iter().copied(), self.method.prompt_length()));
        let states = match self.method.entry() {
            None => None,
            Some(layers) => {
                let texts = Arc::new(PackedBatch::new(repeated, 0));
                Some((layers, self.compute.encoder.states(&texts, layers, None, &self.linear.weight)?))
            }
        };
        let context = Context {
            batch: &batch,
            states: states.as_ref().map(|(_, states)| states.clone()),
            layers: &self.layers,
            device: &self.compute.device,
        };
        let Given { prompt, update } = self.method.given_exported(&self.stored, &context);
        let pooled = self.compute.encoder.encode(&batch, Inputs { prompt, update, states }, self.head.pooling())?;
        let scores = read(self.head.logits(pooled, self.linear.clone())).await?;
        let scores = vote_scores(scores, members, self.adapter.labels.len(), self.method.vote());
        self.compute.encoder.check()?;
        Ok(scores)
    }

    /// Classifies texts.
    ///
    /// # Errors
    /// As [`Predictor::logits`].
    pub async fn predict<T: AsRef<str>>(&self, texts: &[T]) -> Result<Vec<Prediction>> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let scores = self.logits(&texts).await?;
        Ok(scores.chunks(self.adapter.labels.len()).map(|row| self.prediction(row)).collect())
    }

    fn prediction(&self, scores: &[f32]) -> Prediction {
        let mut probabilities: Vec<LabelProbability> = self
            .adapter
            .labels
            .iter()
            .zip(softmax(scores))
            .map(|(label, probability)| LabelProbability { label: label.clone(), probability })
            .collect();
        let label = self.adapter.labels[argmax(scores)].clone();
        probabilities.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        Prediction { label, probabilities }
    }
}
