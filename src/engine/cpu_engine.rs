//! The CPU engine behind burn's flex tensors: the fast f32 path.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;

use super::{
    Engine, Pooling,
    cpu::fast::{Activations, FastEncoder},
};
use crate::data::batch::PackedBatch;
use crate::error::Result;
use crate::model::spec::EncoderWeights;

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

    fn hidden(&self) -> usize {
        self.encoder.spec().hidden
    }
}

impl Engine for CpuEngine {
    type Tensor = FlexTensor;

    fn prepare(&self, batch: &Arc<PackedBatch>) -> Result<()> {
        super::check_batch(batch, self.encoder.spec())?;
        self.state().batch = batch.clone();
        Ok(())
    }

    fn forward(&self, prompt: FlexTensor, pooling: Pooling, keep: bool, examples: usize) -> FlexTensor {
        let mut state = self.state();
        let State { batch, prompt: kept, buffers } = &mut *state;
        let rows = host_rows(prompt);
        kept.clear();
        kept.extend_from_slice(&rows[..batch.prompt_length() * self.hidden()]);
        let pooled = self.encoder.forward(batch, kept, pooling, keep, buffers);
        FlexTensor::from_data(TensorData::new(pooled, [examples, self.hidden()]))
    }

    fn backward(&self, d_pooled: FlexTensor, pooling: Pooling) -> FlexTensor {
        let mut state = self.state();
        let State { batch, prompt, buffers } = &mut *state;
        let d_prompt = self.encoder.backward(batch, prompt, pooling, &host_rows(d_pooled), buffers);
        FlexTensor::from_data(TensorData::new(d_prompt, [batch.prompt_length(), self.hidden()]))
    }
}

/// The values of a tensor, row-major.
fn host_rows(tensor: FlexTensor) -> Vec<f32> {
    tensor.to_contiguous().into_data().try_into_vec().expect("trainables are f32")
}
