//! The single operation in burn's graph: the whole frozen encoder, from the trained input to pooled rows `[B, D]`.
//!
//! burn sees a differentiable function of one matrix ([`super::Route`] says what its rows are); the computation is an [`Engine`].
//! Only tensors of a few kilobytes are passed, and nothing is read back.

mod inputs;
mod operation;

pub use inputs::{Inputs, Prompt};
pub use operation::{Backend, Pass};
use operation::{Begun, EnginePass};

use std::sync::Arc;

use burn::backend::{
    BackendTensor, Dispatch, DispatchKindConversion, DispatchTensor, Flex, tensor::FloatTensor, wgpu::CubeBackend,
};
use burn::tensor::Tensor;

use super::flops::{self, Meter, PassCost};
use super::{Engine, Pooling, cpu_engine::CpuEngine, wgsl_engine::WgslEngine};
use crate::config::Recompute;
use crate::data::batch::PackedBatch;
use crate::error::{Error, Result};
use crate::model::spec::{EncoderSpec, EncoderWeights};

/// The engines that a tensor's backend selects.
#[derive(Clone)]
enum Engines {
    Wgsl(Arc<WgslEngine>),
    Cpu(Arc<CpuEngine>),
}

/// A frozen encoder on one device, as one differentiable operation. Cheap to clone. Any number of threads may use it; each gets
/// the same results as alone. On the CPU, passes run in parallel. On the GPU they run one after another, and a pass waits until
/// the backward pass of another thread's tracked pass is finished.
#[derive(Clone)]
pub struct FrozenEncoder {
    engine: Engines,
    /// Shared with its partial encoders.
    meter: Arc<Meter>,
}

impl FrozenEncoder {
    /// The encoder on a wgpu device. Prompts must be on the burn device that shares it.
    #[must_use]
    pub fn on_gpu(engine: WgslEngine) -> Self {
        Self { engine: Engines::Wgsl(Arc::new(engine)), meter: Arc::default() }
    }

    /// The encoder on the CPU. Prompts must be on burn's flex device.
    #[must_use]
    pub fn on_cpu(engine: CpuEngine) -> Self {
        Self { engine: Engines::Cpu(Arc::new(engine)), meter: Arc::default() }
    }

    /// Pooled rows `[B, D]` of a batch with the method's input. If any of the input is tracked by autodiff, the activations are
    /// saved until the backward pass has used them, or until [`FrozenEncoder::discard`].
    ///
    /// # Errors
    /// [`Error::Device`] on the GPU if an earlier tracked forward pass of this thread still needs its backward pass (its
    /// activations would be overwritten), and for an input on another device; [`Error::DeviceMemory`] if there is not enough
    /// memory for the batch; [`Error::Model`] for a token id or a length that the encoder has no embedding for, or an input of
    /// another shape.
    pub fn encode(&self, batch: &Arc<PackedBatch>, inputs: Inputs, pooling: Pooling) -> Result<Tensor<2>> {
        let route = inputs.route(pooling);
        let &EncoderSpec { layers, hidden, .. } = self.spec();
        let (input, states) = inputs.join(hidden);
        let tracked = input.device().is_autodiff();
        let engine_pass = match &self.engine {
            Engines::Wgsl(engine) => EnginePass::Wgsl(Begun::new(engine, batch, route, tracked)?),
            Engines::Cpu(engine) => EnginePass::Cpu(Begun::new(engine, batch, route, tracked)?),
        };
        let rows: usize = route.input_rows(batch, layers).iter().sum();
        // Without prompt rows, only the device of the tensor matters.
        if rows > 0 && input.dims() != [rows, hidden] {
            let [got, width] = input.dims();
            return Err(Error::model(
                format!("a trained input of {got} rows of {width} numbers, but this batch needs {rows} of {hidden}"),
                "report this as a bug",
            ));
        }
        let states = match (states, tracked) {
            (Some(states), true) => Tensor::from_inner(states),
            (Some(states), false) => states,
            (None, _) => input.clone(),
        };
        let pass = Pass::new(&self.meter, engine_pass, PassCost::new(self.spec(), batch, route));
        let pooled = Dispatch::encode(input.into_dispatch(), states.into_dispatch(), pass.clone());
        pass.check()?;
        Ok(Tensor::from_dispatch(pooled))
    }

    fn spec(&self) -> &EncoderSpec {
        match &self.engine {
            Engines::Wgsl(engine) => engine.spec(),
            Engines::Cpu(engine) => engine.spec(),
        }
    }

    /// FLOPs and saved bytes of all passes, including partial encoders.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Size of the layers' weights in bytes, where they are used: on the GPU including the word embeddings in use; on the CPU as
    /// f32, without the copies that its products read.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        match &self.engine {
            Engines::Wgsl(engine) => engine.weight_bytes(),
            Engines::Cpu(_) => {
                let &EncoderSpec { layers, hidden, ffn, .. } = self.spec();
                (layers * (4 * hidden * hidden + 2 * hidden * ffn + 9 * hidden + ffn) * size_of::<f32>()) as u64
            }
        }
    }

    /// Size of the saved activations of a training step in bytes, where the encoder computes: on the GPU the reserved size, on
    /// the CPU that of the latest steps.
    #[must_use]
    pub fn activation_bytes(&self) -> u64 {
        match &self.engine {
            Engines::Wgsl(engine) => engine.activation_bytes(),
            Engines::Cpu(_) => self.meter.peak(),
        }
    }

    /// Size of the states in a cache of this encoder in bytes.
    #[must_use]
    pub fn cache_bytes(&self, cache: &StateCache) -> u64 {
        match (&self.engine, &cache.0) {
            (Engines::Wgsl(engine), Caches::Wgsl(cache)) => engine.cache_bytes(cache),
            (Engines::Cpu(engine), Caches::Cpu(cache)) => engine.cache_bytes(cache),
            _ => 0,
        }
    }

    fn has(&self, cache: &StateCache, key: u32, rows: usize) -> bool {
        match (&self.engine, &cache.0) {
            (Engines::Wgsl(engine), Caches::Wgsl(cache)) => engine.has(cache, key, rows),
            (Engines::Cpu(engine), Caches::Cpu(cache)) => engine.has(cache, key, rows),
            _ => false,
        }
    }

    /// An empty cache of hidden states with at most `budget` bytes of the memory that the encoder computes in. It belongs to the
    /// examples of one run and to one number of layers.
    #[must_use]
    pub fn cache(&self, budget: u64) -> StateCache {
        StateCache(match &self.engine {
            Engines::Wgsl(engine) => Caches::Wgsl(Arc::new(engine.cache(budget))),
            Engines::Cpu(engine) => Caches::Cpu(Arc::new(engine.cache(budget))),
        })
    }

    /// Hidden states `[T, D]` after `layers` layers, of a batch without prompt rows, on the plain device; `like` is any tensor on
    /// it. With a cache and a key for each example, only missing ones are computed; the bits are the same.
    ///
    /// # Errors
    /// As [`FrozenEncoder::encode`].
    pub fn states(
        &self,
        batch: &Arc<PackedBatch>,
        layers: usize,
        cached: Option<(&StateCache, &[u32])>,
        like: &Tensor<2>,
    ) -> Result<Tensor<2>> {
        let missing = flops::lengths(batch).enumerate().filter(|&(i, rows)| {
            cached.is_none_or(|(cache, keys)| keys.get(i).is_none_or(|&key| !self.has(cache, key, rows as usize)))
        });
        self.meter.add(flops::states(self.spec(), missing.map(|(_, rows)| rows), layers));
        match (&self.engine, cached.map(|(cache, keys)| (&cache.0, keys))) {
            (Engines::Wgsl(engine), cached) => {
                let cached =
                    cached.and_then(|(cache, keys)| if let Caches::Wgsl(cache) = cache { Some((&**cache, keys)) } else { None });
                Ok(from_engine::<CubeBackend>(engine.states(batch, layers, cached, to_engine::<CubeBackend>(like)?)?))
            }
            (Engines::Cpu(engine), cached) => {
                let cached =
                    cached.and_then(|(cache, keys)| if let Caches::Cpu(cache) = cache { Some((&**cache, keys)) } else { None });
                Ok(from_engine::<Flex>(engine.states(batch, layers, cached, to_engine::<Flex>(like)?)?))
            }
        }
    }

    /// For every neuron of every layer, the sum over the examples of the mean absolute activation over an example's rows
    /// (including prompt rows): `[L, F]`, for a batch after the prompt rows `[P, D]` on the plain device.
    ///
    /// # Errors
    /// As [`FrozenEncoder::encode`].
    pub fn neuron_scores(&self, batch: &Arc<PackedBatch>, prompt: &Tensor<2>) -> Result<Tensor<2>> {
        self.meter.add(flops::states(self.spec(), flops::lengths(batch), self.spec().layers));
        Ok(match &self.engine {
            Engines::Wgsl(engine) => from_engine::<CubeBackend>(engine.neuron_scores(batch, to_engine::<CubeBackend>(prompt)?)?),
            Engines::Cpu(engine) => from_engine::<Flex>(engine.neuron_scores(batch, to_engine::<Flex>(prompt)?)?),
        })
    }

    /// An encoder with other weights of the same widths on the same device, such as a partial encoder.
    ///
    /// # Errors
    /// As [`super::wgsl::encoder::WgslEncoder::new`].
    pub async fn with_weights(&self, weights: &Arc<EncoderWeights>) -> Result<Self> {
        let encoder = match &self.engine {
            Engines::Wgsl(engine) => Self::on_gpu(engine.with_weights(weights).await?),
            Engines::Cpu(_) => Self::on_cpu(CpuEngine::new(weights)),
        };
        Ok(Self { meter: self.meter.clone(), ..encoder })
    }

    /// Discards the activations of this thread's tracked forward pass on the GPU if there will be no backward pass. Dropping its
    /// graph is not sufficient: burn keeps dropped graphs until a later backward pass. A backward pass through it panics from now
    /// on. On the CPU, no other pass needs the activations, and they are dropped with the graph.
    pub fn discard(&self) {
        if let Engines::Wgsl(engine) = &self.engine {
            engine.discard();
        }
    }

    /// Sets whether training steps recompute activations instead of saving them. The CPU always saves them.
    pub fn set_recompute(&self, recompute: Recompute) {
        if let Engines::Wgsl(engine) = &self.engine {
            engine.set_recompute(recompute);
        }
    }

    /// Checks for uncaptured errors of the device.
    ///
    /// # Errors
    /// [`Error::Device`] with the first one.
    pub fn check(&self) -> Result<()> {
        match &self.engine {
            Engines::Wgsl(engine) => engine.check(),
            Engines::Cpu(_) => Ok(()),
        }
    }
}

/// Hidden states of a run's examples after a number of layers, cached where the encoder computes. Cheap to clone.
#[derive(Clone)]
pub struct StateCache(Caches);

#[derive(Clone)]
enum Caches {
    Wgsl(Arc<<WgslEngine as Engine>::Cache>),
    Cpu(Arc<<CpuEngine as Engine>::Cache>),
}

/// A tensor of the plain device as the engine's type.
fn to_engine<B: burn::backend::Backend>(tensor: &Tensor<2>) -> Result<FloatTensor<B>>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    let tensor = DispatchTensor::try_into_backend(tensor.clone().into_dispatch());
    Ok(tensor.map_err(|error| Error::device(format!("a tensor of another device: {error}"), "report this as a bug"))?.float())
}

fn from_engine<B: burn::backend::Backend>(tensor: FloatTensor<B>) -> Tensor<2>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    Tensor::from_dispatch(DispatchTensor::from_backend(BackendTensor::Float(tensor)))
}
