//! The CPU engine behind burn's flex tensors: the fast f32 path.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;

use super::{
    Engine, Route,
    cpu::fast::{Activations, FastEncoder},
};
use crate::data::batch::PackedBatch;
use crate::error::Result;
use crate::model::spec::{EncoderSpec, EncoderWeights};

/// The frozen encoder on the CPU.
pub struct CpuEngine {
    encoder: FastEncoder,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    batch: Arc<PackedBatch>,
    prompt: Vec<f32>,
    buffers: Activations,
}

impl CpuEngine {
    /// The encoder over weights on the host, which it shares.
    #[must_use]
    pub fn new(weights: &Arc<EncoderWeights>) -> Self {
        Self { encoder: FastEncoder::new(weights.clone()), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in a pass leaves buffers that the next pass overwrites.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sizes of the encoder.
    pub(super) fn spec(&self) -> &EncoderSpec {
        self.encoder.spec()
    }

    fn hidden(&self) -> usize {
        self.encoder.spec().hidden
    }
}

impl Engine for CpuEngine {
    type Tensor = FlexTensor;
    type Cache = ();

    fn prepare(&self, batch: &Arc<PackedBatch>, _route: Route) -> Result<()> {
        super::check_batch(batch, self.encoder.spec())?;
        self.state().batch = batch.clone();
        Ok(())
    }

    fn forward(&self, prompt: FlexTensor, _states: FlexTensor, route: Route, keep: bool, examples: usize) -> FlexTensor {
        let mut state = self.state();
        let State { batch, prompt: kept, buffers } = &mut *state;
        let rows = host_rows(prompt);
        kept.clear();
        kept.extend_from_slice(&rows[..batch.prompt_length() * self.hidden()]);
        let pooled = self.encoder.forward(batch, kept, route.pooling, keep, buffers);
        FlexTensor::from_data(TensorData::new(pooled, [examples, self.hidden()]))
    }

    fn backward(&self, d_pooled: FlexTensor, route: Route) -> FlexTensor {
        let mut state = self.state();
        let State { batch, prompt, buffers } = &mut *state;
        let d_prompt = self.encoder.backward(batch, prompt, route.pooling, &host_rows(d_pooled), buffers);
        FlexTensor::from_data(TensorData::new(d_prompt, [batch.prompt_length(), self.hidden()]))
    }

    fn cache(&self, _budget: u64) {}

    fn states(
        &self,
        _batch: &Arc<PackedBatch>,
        _layers: usize,
        _cache: Option<(&(), &[u32])>,
        _like: Self::Tensor,
    ) -> Result<Self::Tensor> {
        Err(crate::error::Error::device("hidden states are not there yet", "wait"))
    }

    fn neuron_scores(&self, _batch: &Arc<PackedBatch>, _prompt: Self::Tensor) -> Result<Self::Tensor> {
        Err(crate::error::Error::device("neuron scores are not there yet", "wait"))
    }
}

/// The values of a tensor, row-major.
fn host_rows(tensor: FlexTensor) -> Vec<f32> {
    tensor.to_contiguous().into_data().try_into_vec().expect("trainables are f32")
}
