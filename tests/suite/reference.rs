//! Golden files of `tests/golden/` and how a result is compared with them.

use std::sync::Arc;

use safetensors::SafeTensors;
use softprompt::config::{HeadKind, Method, RunConfig};
use softprompt::data::batch::{Example, PackedBatch};
use softprompt::encoder::Encoder;
use softprompt::engine::compute::{Compute, read};
use softprompt::head::Linear;
use softprompt::prompt::{self, Parameter};
use softprompt::train::schedule;
use softprompt::train::step::{LearningRates, Source, Trainer};

use crate::device::examples;

/// A golden file: tensors by name, and facts.
pub struct Golden<'a> {
    tensors: SafeTensors<'a>,
    pub facts: serde_json::Value,
    pub examples: Vec<Example>,
}

impl<'a> Golden<'a> {
    pub fn new(tensors: &'a [u8], facts: &str) -> Self {
        let facts: serde_json::Value = serde_json::from_str(facts).expect("golden JSON");
        let tensors = SafeTensors::deserialize(tensors).expect("golden tensors");
        Self { tensors, examples: examples(&facts), facts }
    }

    pub fn tensor(&self, name: &str) -> Vec<f32> {
        let bytes = self.tensors.tensor(name).unwrap_or_else(|_| panic!("golden tensor {name}")).data().to_vec();
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }

    pub fn number(&self, pointer: &str) -> f64 {
        self.facts.pointer(pointer).and_then(serde_json::Value::as_f64).unwrap_or_else(|| panic!("golden number {pointer}"))
    }

    pub fn batch(&self, prompted: bool) -> Arc<PackedBatch> {
        let length = if prompted { self.number("/prompt_length") as usize } else { 0 };
        Arc::new(PackedBatch::new(&self.examples, length))
    }

    /// The configuration of the golden training, for one head.
    pub fn config(&self, head: HeadKind) -> RunConfig {
        let mut config = RunConfig::default();
        config.prompt.method = Method::Prompt;
        config.prompt.length = self.number("/prompt_length") as usize;
        config.head.kind = head;
        config.head.feature_scale = self.number("/feature_scale");
        config.optim.prompt_lr = self.number("/training/prompt_lr");
        config.optim.head_lr = self.number("/training/head_lr");
        config.optim.weight_decay = self.number("/training/weight_decay");
        config.optim.clip_norm = self.number("/training/clip_norm");
        config.optim.warmup_fraction = self.number("/training/warmup_fraction");
        config
    }

    /// A trainer that starts where PyTorch started.
    pub fn trainer(&self, model: &Encoder, compute: &Compute, head: HeadKind) -> Trainer {
        let config = self.config(head);
        let shape = [config.prompt.length, model.spec().hidden];
        let initial = vec![Parameter::new("prompt", shape, self.tensor("prompt"))];
        let source = Source::Encoder(compute.encoder.clone());
        let start = Linear { weight: self.tensor("head.weight"), bias: self.tensor("head.bias") };
        Trainer::new(compute, source, model.weights(), prompt::method(&config, model.spec()), initial, start, &config)
            .expect("a trainer")
    }

    /// Ten steps; the worst relative difference of a loss to PyTorch's.
    pub async fn ten_steps(&self, trainer: &mut Trainer, key: &str, head: HeadKind) -> f64 {
        let config = self.config(head);
        let order: Vec<Vec<usize>> = serde_json::from_value(self.facts["training"]["order"].clone()).expect("an order");
        let want: Vec<f64> = serde_json::from_value(self.facts["training"][key]["losses"].clone()).expect("losses");
        let mut worst = 0f64;
        for (step, indices) in order.iter().enumerate() {
            let factor = schedule::factor(&config.optim, step, order.len());
            let rates = LearningRates { prompt: config.optim.prompt_lr * factor, head: config.optim.head_lr * factor, factor };
            let (loss, _) = trainer.step(&self.examples, indices, rates).expect("a step");
            let loss = f64::from(read(loss).await.expect("a loss")[0]);
            assert!(loss.is_finite(), "{key}: the loss of step {step} is {loss}");
            worst = worst.max((loss - want[step]).abs() / want[step].abs());
        }
        worst
    }
}

/// Largest difference, relative to the largest value: the error of a tensor as a whole. NaN anywhere gives NaN.
pub fn error(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len(), "length");
    let scale = want.iter().fold(0f32, |scale, w| scale.max(w.abs()));
    let nan = got.iter().any(|g| g.is_nan());
    let worst = got.iter().zip(want).fold(0f32, |worst, (g, w)| worst.max((g - w).abs()));
    if nan { f64::NAN } else { f64::from(worst / scale) }
}
