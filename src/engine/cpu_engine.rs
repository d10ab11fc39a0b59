//! The CPU engine for burn's flex tensors: the optimised f32 implementation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;

use super::{
    Engine, Entry, Route, check_batch, check_route,
    cpu::fast::{Activations, FastEncoder},
};
use crate::data::batch::{Example, PackedBatch};
use crate::error::{Error, Result};
use crate::model::spec::{EncoderSpec, EncoderWeights};

/// The frozen encoder on the CPU.
///
/// Every pass has its own buffers, and no lock is held while a pass computes: a pool thread that waits for its share of a pass
/// may begin another pass, and would wait for itself.
pub struct CpuEngine {
    encoder: FastEncoder,
    spare: Arc<Spare>,
}

/// Unused buffers. The next pass takes the most recently used ones, so a single thread always uses the same.
#[derive(Default)]
struct Spare(Mutex<Vec<Activations>>);

impl Spare {
    fn buffers(self: &Arc<Self>) -> Buffers {
        Buffers { activations: self.list().pop().unwrap_or_default(), spare: self.clone() }
    }

    fn list(&self) -> MutexGuard<'_, Vec<Activations>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The buffers of a pass, returned when it ends.
struct Buffers {
    activations: Activations,
    spare: Arc<Spare>,
}

impl Drop for Buffers {
    fn drop(&mut self) {
        let mut list = self.spare.list();
        // More passes than threads are not faster; their buffers are dropped.
        if list.len() < most_spare() {
            list.push(std::mem::take(&mut self.activations));
        }
    }
}

/// Maximum number of spare buffers: one pass per thread, and one for a prediction during training.
fn most_spare() -> usize {
    #[cfg(not(target_family = "wasm"))]
    let threads = rayon::current_num_threads();
    #[cfg(target_family = "wasm")]
    let threads = 1;
    threads.max(2)
}

/// A pass in progress.
pub struct CpuPass {
    batch: Arc<PackedBatch>,
    route: Route,
    input: Vec<f32>,
    buffers: Buffers,
}

/// Hidden states of examples in memory, by key.
#[derive(Default)]
pub struct CpuCache {
    budget: u64,
    states: Mutex<CachedStates>,
}

#[derive(Default)]
struct CachedStates {
    bytes: u64,
    rows: HashMap<u32, Arc<[f32]>>,
}

impl CpuCache {
    fn lock(&self) -> MutexGuard<'_, CachedStates> {
        // Nothing panics between the two updates of an insertion.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hidden states of an example, if the number of elements matches.
    fn get(&self, key: u32, numbers: usize) -> Option<Arc<[f32]>> {
        self.lock().rows.get(&key).filter(|rows| rows.len() == numbers).cloned()
    }

    /// Stores the hidden states of a missing example, if the budget allows it.
    fn insert(&self, key: u32, rows: &[f32]) {
        let mut cached = self.lock();
        let bytes = cached.bytes + size_of_val(rows) as u64;
        if bytes <= self.budget && !cached.rows.contains_key(&key) {
            cached.bytes = bytes;
            cached.rows.insert(key, rows.into());
        }
    }
}

impl CpuEngine {
    /// The encoder with weights on the host, which are shared.
    #[must_use]
    pub fn new(weights: &Arc<EncoderWeights>) -> Self {
        Self { encoder: FastEncoder::new(weights.clone()), spare: Arc::default() }
    }

    /// Buffers for an untracked pass over a batch.
    fn buffers(&self, batch: &PackedBatch) -> Result<Buffers> {
        let mut buffers = self.spare.buffers();
        self.encoder.reserve(batch.rows(), None, &mut buffers.activations)?;
        Ok(buffers)
    }

    /// Sizes of the encoder.
    pub(super) fn spec(&self) -> &EncoderSpec {
        self.encoder.spec()
    }

    /// Hidden states `[T, D]` after `layers` layers.
    fn text_rows(
        &self,
        batch: &PackedBatch,
        layers: usize,
        cache: Option<(&CpuCache, &[u32])>,
        buffers: &mut Activations,
    ) -> Vec<f32> {
        let Some((cache, keys)) = cache else { return self.encoder.states(batch, layers, buffers).to_vec() };
        let (hidden, offsets) = (self.encoder.spec().hidden, batch.offsets());
        let tokens = |example: usize| &batch.tokens()[offsets[example] as usize..offsets[example + 1] as usize];
        let found: Vec<_> = keys.iter().enumerate().map(|(i, &key)| cache.get(key, tokens(i).len() * hidden)).collect();
        let missing = found.iter().enumerate().filter(|(_, rows)| rows.is_none());
        let missing: Vec<_> = missing.map(|(example, _)| Example { tokens: tokens(example).to_vec(), label: 0 }).collect();
        let made = match missing.is_empty() {
            true => &[],
            false => self.encoder.states(&PackedBatch::new(&missing, 0), layers, buffers),
        };
        let (mut rows, mut made) = (Vec::with_capacity(batch.rows() * hidden), made);
        for (example, (found, &key)) in found.iter().zip(keys).enumerate() {
            if let Some(found) = found {
                rows.extend_from_slice(found);
            } else {
                let (computed, rest) = made.split_at(tokens(example).len() * hidden);
                rows.extend_from_slice(computed);
                cache.insert(key, computed);
                made = rest;
            }
        }
        rows
    }

    fn tensor(rows: Vec<f32>, width: usize) -> FlexTensor {
        let shape = [rows.len() / width, width];
        FlexTensor::from_data(TensorData::new(rows, shape))
    }
}

impl Engine for CpuEngine {
    type Tensor = FlexTensor;
    type Pass = CpuPass;
    type Cache = CpuCache;

    fn begin(&self, batch: &Arc<PackedBatch>, route: Route, tracked: bool) -> Result<CpuPass> {
        check_route(batch, &route, self.encoder.spec())?;
        let mut buffers = self.spare.buffers();
        self.encoder.reserve(batch.rows(), tracked.then_some(route.entry), &mut buffers.activations)?;
        Ok(CpuPass { batch: batch.clone(), route, input: Vec::new(), buffers })
    }

    fn forward(&self, pass: &mut CpuPass, input: FlexTensor, states: FlexTensor, save_activations: bool) -> FlexTensor {
        let &EncoderSpec { hidden, layers, .. } = self.encoder.spec();
        let CpuPass { batch, route, input: saved, buffers } = pass;
        *saved = host_rows(input);
        // Without trained rows, there is one row that determines the device.
        saved.truncate(route.input_rows(batch, layers).iter().sum::<usize>() * hidden);
        let states = if route.entry == Entry::Words { Vec::new() } else { host_rows(states) };
        Self::tensor(self.encoder.forward(batch, saved, &states, *route, save_activations, &mut buffers.activations), hidden)
    }

    fn backward(&self, mut pass: CpuPass, d_pooled: FlexTensor) -> FlexTensor {
        let CpuPass { batch, route, input, buffers } = &mut pass;
        let d_input = self.encoder.backward(batch, input, *route, &host_rows(d_pooled), &mut buffers.activations);
        Self::tensor(d_input, self.encoder.spec().hidden)
    }

    fn has(&self, cache: &CpuCache, key: u32, rows: usize) -> bool {
        cache.get(key, rows * self.encoder.spec().hidden).is_some()
    }

    fn cache_bytes(&self, cache: &CpuCache) -> u64 {
        cache.lock().bytes
    }

    fn cache(&self, budget: u64) -> CpuCache {
        CpuCache { budget, states: Mutex::default() }
    }

    fn states(
        &self,
        batch: &Arc<PackedBatch>,
        layers: usize,
        cache: Option<(&CpuCache, &[u32])>,
        _like: FlexTensor,
    ) -> Result<FlexTensor> {
        let spec = self.encoder.spec();
        check_batch(batch, spec)?;
        let keys = cache.map_or(batch.examples(), |(_, keys)| keys.len());
        if batch.prompt_length() > 0 || layers > spec.layers || keys != batch.examples() {
            let what =
                format!("states after {layers} of {} layers, of {keys} keys and {} examples", spec.layers, batch.examples());
            return Err(Error::model(what, "report this as a bug"));
        }
        let rows = self.text_rows(batch, layers, cache, &mut self.buffers(batch)?.activations);
        Ok(Self::tensor(rows, spec.hidden))
    }

    fn neuron_scores(&self, batch: &Arc<PackedBatch>, prompt: FlexTensor) -> Result<FlexTensor> {
        let spec = self.encoder.spec();
        check_batch(batch, spec)?;
        let mut prompt = host_rows(prompt);
        prompt.truncate(batch.prompt_length() * spec.hidden);
        let scores = self.encoder.neuron_scores(batch, &prompt, &mut self.buffers(batch)?.activations);
        Ok(Self::tensor(scores, spec.ffn))
    }
}

/// The values of a tensor, row-major.
fn host_rows(tensor: FlexTensor) -> Vec<f32> {
    tensor.to_contiguous().into_data().try_into_vec().expect("trainables are f32")
}
