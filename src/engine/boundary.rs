//! The one operation in burn's graph: the whole frozen encoder, from what a method trains to pooled rows `[B, D]`.
//!
//! burn sees a differentiable function of one matrix ([`Route`] says what its rows are); what happens inside is an [`Engine`]. Tensors of a few kilobytes cross;
//! nothing is read back.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use burn::backend::{
    Autodiff, BackendTensor, Dispatch, DispatchKindConversion, DispatchTensor, Flex,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    backend_extension,
    flex::FlexTensor,
    tensor::FloatTensor,
    wgpu::{CubeBackend, CubeTensor},
};
use burn::tensor::Tensor;

use super::flops::{self, Meter, Work};
use super::{Engine, Entry, Pooling, Route, cpu_engine::CpuEngine, wgsl_engine::WgslEngine};
use crate::config::Recompute;
use crate::data::batch::PackedBatch;
use crate::error::{Error, Result};
use crate::model::spec::{EncoderSpec, EncoderWeights};

/// The engines that a tensor's backend can select.
#[derive(Clone)]
enum Engines {
    Wgsl(Arc<WgslEngine>),
    Cpu(Arc<CpuEngine>),
}

/// A frozen encoder on one device, as one differentiable operation. Cheap to clone.
#[derive(Clone)]
pub struct FrozenEncoder {
    engine: Engines,
    /// Number of the tracked forward pass that waits for its backward pass, 0 if none: the arena holds its activations.
    pending: Arc<AtomicU64>,
    passes: Arc<AtomicU64>,
    /// Shared with its partial encoders.
    meter: Arc<Meter>,
}

impl FrozenEncoder {
    /// The encoder on a wgpu device. Prompts must live on the burn device that shares it.
    #[must_use]
    pub fn on_gpu(engine: WgslEngine) -> Self {
        Self { engine: Engines::Wgsl(Arc::new(engine)), pending: Arc::default(), passes: Arc::default(), meter: Arc::default() }
    }

    /// The encoder on the CPU. Prompts must live on burn's flex device.
    #[must_use]
    pub fn on_cpu(engine: CpuEngine) -> Self {
        Self { engine: Engines::Cpu(Arc::new(engine)), pending: Arc::default(), passes: Arc::default(), meter: Arc::default() }
    }

    /// Pooled rows `[B, D]` of a batch with what a method gives it. Where any of that is tracked by autodiff, the activations are
    /// kept until the backward pass has used them, or [`FrozenEncoder::discard`].
    ///
    /// # Errors
    /// [`Error::Device`] while an earlier tracked forward waits for its backward (its activations would be overwritten);
    /// [`Error::Model`] for a token id or a length that the encoder has no embedding for, or an input of another shape.
    pub fn encode(&self, batch: &Arc<PackedBatch>, inputs: Inputs, pooling: Pooling) -> Result<Tensor<2>> {
        self.free()?;
        let route = inputs.route(pooling);
        match &self.engine {
            Engines::Wgsl(engine) => engine.prepare(batch, route)?,
            Engines::Cpu(engine) => engine.prepare(batch, route)?,
        }
        let &EncoderSpec { layers, hidden, .. } = self.spec();
        let (input, states) = inputs.join(hidden);
        let rows: usize = route.input_rows(batch, layers).iter().sum();
        // Without prompt rows the values do not matter, but the device does.
        if rows > 0 && input.dims() != [rows, hidden] {
            let [got, width] = input.dims();
            return Err(Error::model(
                format!("a trained input of {got} rows of {width}, this batch asks for {rows} of {hidden}"),
                "report this as a fault",
            ));
        }
        let states = match (states, input.device().is_autodiff()) {
            (Some(states), true) => Tensor::from_inner(states),
            (Some(states), false) => states,
            (None, _) => input.clone(),
        };
        let work = Work::new(self.spec(), batch, route);
        let pass = Pass { encoder: self.clone(), route, keep: false, examples: batch.examples(), work };
        Ok(Tensor::from_dispatch(Dispatch::encode(input.into_dispatch(), states.into_dispatch(), pass)))
    }

    fn free(&self) -> Result<()> {
        if self.pending.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        Err(Error::device(
            "a second forward pass began before the backward pass of the first",
            "run the backward pass, or discard the first graph: its activations would be overwritten",
        ))
    }

    fn spec(&self) -> &EncoderSpec {
        match &self.engine {
            Engines::Wgsl(engine) => engine.spec(),
            Engines::Cpu(engine) => engine.spec(),
        }
    }

    /// Operations and kept bytes of all passes, those of its partial encoders included.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Bytes of the layers' weights where they are used: on the GPU those of the device with the word embeddings that are there; on
    /// the CPU as f32, without the order that its products read them in.
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

    /// Bytes of the activations that a training step keeps, where the encoder computes: on the GPU those that there is room for; on the
    /// CPU those of the latest steps.
    #[must_use]
    pub fn activation_bytes(&self) -> u64 {
        match &self.engine {
            Engines::Wgsl(engine) => engine.activation_bytes(),
            Engines::Cpu(_) => self.meter.kept(),
        }
    }

    /// Bytes of the states in a cache of this encoder.
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

    /// An empty cache of hidden states for at most so many bytes of the memory that this encoder computes in. It belongs to the
    /// examples of one run and to one number of layers.
    #[must_use]
    pub fn cache(&self, budget: u64) -> StateCache {
        StateCache(match &self.engine {
            Engines::Wgsl(engine) => Caches::Wgsl(Arc::new(engine.cache(budget))),
            Engines::Cpu(engine) => Caches::Cpu(Arc::new(engine.cache(budget))),
        })
    }

    /// Text rows `[T, D]` after `layers` layers of a batch without prompt rows, on the plain device, where `like` is any tensor.
    /// With a cache and a key for each example, only what is missing is computed: the same bits either way.
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
        self.free()?;
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

    /// Of every neuron of every layer, the sum over the examples of the mean over an example's rows (prompt rows too) of the
    /// absolute activation: `[L, F]`, for a batch behind the prompt rows `[P, D]` on the plain device.
    ///
    /// # Errors
    /// As [`FrozenEncoder::encode`].
    pub fn neuron_scores(&self, batch: &Arc<PackedBatch>, prompt: &Tensor<2>) -> Result<Tensor<2>> {
        self.free()?;
        self.meter.add(flops::states(self.spec(), flops::lengths(batch), self.spec().layers));
        Ok(match &self.engine {
            Engines::Wgsl(engine) => from_engine::<CubeBackend>(engine.neuron_scores(batch, to_engine::<CubeBackend>(prompt)?)?),
            Engines::Cpu(engine) => from_engine::<Flex>(engine.neuron_scores(batch, to_engine::<Flex>(prompt)?)?),
        })
    }

    /// An encoder with other weights of the same widths on the same device, such as a part of this one.
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

    /// Gives up the activations of a tracked forward pass whose backward pass will not come. Dropping its graph is not enough:
    /// burn keeps dropped graphs until a later backward pass. A backward pass through it panics from now on.
    pub fn discard(&self) {
        self.pending.store(0, Ordering::Release);
    }

    /// Whether training steps make activations again instead of keeping them. The CPU always keeps them.
    pub fn set_recompute(&self, recompute: Recompute) {
        if let Engines::Wgsl(engine) = &self.engine {
            engine.set_recompute(recompute);
        }
    }

    /// Uncaptured errors of the device, if it has any.
    ///
    /// # Errors
    /// [`Error::Device`] with the first one.
    pub fn check(&self) -> Result<()> {
        match &self.engine {
            Engines::Wgsl(engine) => engine.check(),
            Engines::Cpu(_) => Ok(()),
        }
    }

    fn wgsl(&self) -> &WgslEngine {
        match &self.engine {
            Engines::Wgsl(engine) => engine,
            Engines::Cpu(_) => unreachable!("a wgpu tensor meets an encoder on the CPU"),
        }
    }

    fn cpu(&self) -> &CpuEngine {
        match &self.engine {
            Engines::Cpu(engine) => engine,
            Engines::Wgsl(_) => unreachable!("a CPU tensor meets an encoder on the GPU"),
        }
    }
}

/// What a method gives the encoder beside a batch.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The rows in front of the text.
    pub prompt: Prompt,
    /// Rows `[N, D]` that are added to the word embeddings: row i to the i-th token of every text.
    pub update: Option<Tensor<2>>,
    /// Text rows `[T - B P, D]` of [`FrozenEncoder::states`] after so many layers, where the prompt joins them; none where it
    /// joins at the word embeddings.
    pub states: Option<(usize, Tensor<2>)>,
}

/// Rows in front of every text.
#[derive(Debug, Clone)]
pub enum Prompt {
    /// None; the tensor, of any `[1, D]`, says on which device.
    None(Tensor<2>),
    /// The same `[P, D]` for every example.
    Shared(Tensor<2>),
    /// Of each example its own, one example after another: `[B P, D]`.
    PerExample(Tensor<2>),
    /// Keys and values of P prefix rows in every layer: `[P, 2 L D]`, `k_0 | v_0 | k_1 | v_1 | ..` (PEFT's `PREFIX_TUNING`).
    Prefix(Tensor<2>),
}

impl Inputs {
    /// A prompt alone, at the word embeddings.
    #[must_use]
    pub fn new(prompt: Prompt) -> Self {
        Self { prompt, update: None, states: None }
    }

    fn route(&self, pooling: Pooling) -> Route {
        Route {
            entry: self.states.as_ref().map_or(Entry::Words, |(layers, _)| Entry::After(*layers)),
            pooling,
            per_example: matches!(self.prompt, Prompt::PerExample(_)),
            update: self.update.as_ref().map_or(0, |update| update.dims()[0]),
            prefix: matches!(self.prompt, Prompt::Prefix(_)),
        }
    }

    /// One matrix `[R, D]` of everything that is trained, and the states.
    fn join(self, hidden: usize) -> (Tensor<2>, Option<Tensor<2>>) {
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

/// Hidden states of a run's examples after a number of layers, where the encoder computes. Cheap to clone.
#[derive(Clone)]
pub struct StateCache(Caches);

#[derive(Clone)]
enum Caches {
    Wgsl(Arc<<WgslEngine as Engine>::Cache>),
    Cpu(Arc<<CpuEngine as Engine>::Cache>),
}

/// A tensor of the plain device as the engine holds it.
fn to_engine<B: burn::backend::Backend>(tensor: &Tensor<2>) -> Result<FloatTensor<B>>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    let tensor = DispatchTensor::try_into_backend(tensor.clone().into_dispatch());
    Ok(tensor.map_err(|error| Error::device(format!("a tensor of another device: {error}"), "report this as a fault"))?.float())
}

fn from_engine<B: burn::backend::Backend>(tensor: FloatTensor<B>) -> Tensor<2>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    Tensor::from_dispatch(DispatchTensor::from_backend(BackendTensor::Float(tensor)))
}

/// What one pass needs besides its tensors.
#[derive(Clone)]
pub struct Pass {
    encoder: FrozenEncoder,
    route: Route,
    keep: bool,
    examples: usize,
    work: Work,
}

impl Pass {
    /// Counts its forward pass.
    fn count(&self) {
        self.encoder.meter.add(self.work.forward);
        if self.keep {
            self.encoder.meter.keep(self.work.kept);
        }
    }
}

/// The claim of one tracked forward pass on the arena; gone with the graph that holds it.
struct Lease {
    pass: u64,
    pending: Arc<AtomicU64>,
}

impl Lease {
    fn take(encoder: &FrozenEncoder) -> Arc<Self> {
        let pass = encoder.passes.fetch_add(1, Ordering::AcqRel) + 1;
        encoder.pending.store(pass, Ordering::Release);
        Arc::new(Self { pass, pending: encoder.pending.clone() })
    }

    fn holds(&self) -> bool {
        self.pending.load(Ordering::Acquire) == self.pass
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Only its own claim: after a discard, another pass may hold the arena.
        let _ = self.pending.compare_exchange(self.pass, 0, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// burn's backends, with the frozen encoder as one more operation.
#[backend_extension(Autodiff, Cube, Flex)]
pub trait Backend: burn::backend::Backend {
    /// The trained input `[R, D]`, and text rows at the entry, to pooled rows `[B, D]`.
    fn encode(input: FloatTensor<Self>, states: FloatTensor<Self>, pass: Pass) -> FloatTensor<Self>;
    /// Gradient of the pooled rows `[B, D]` to the gradient of the trained input `[R, D]`.
    fn encode_backward(d_pooled: FloatTensor<Self>, pass: Pass) -> FloatTensor<Self>;
}

impl Backend for CubeBackend {
    fn encode(input: CubeTensor, states: CubeTensor, pass: Pass) -> CubeTensor {
        pass.count();
        pass.encoder.wgsl().forward(input, states, pass.route, pass.keep, pass.examples)
    }
    fn encode_backward(d_pooled: CubeTensor, pass: Pass) -> CubeTensor {
        pass.encoder.meter.add(pass.work.backward);
        pass.encoder.wgsl().backward(d_pooled, pass.route)
    }
}

impl Backend for Flex {
    fn encode(input: FlexTensor, states: FlexTensor, pass: Pass) -> FlexTensor {
        pass.count();
        pass.encoder.cpu().forward(input, states, pass.route, pass.keep, pass.examples)
    }
    fn encode_backward(d_pooled: FlexTensor, pass: Pass) -> FlexTensor {
        pass.encoder.meter.add(pass.work.backward);
        pass.encoder.cpu().backward(d_pooled, pass.route)
    }
}

#[derive(Debug)]
struct EncodeBackward;

/// What the backward pass needs: the pass, and the lease on the activations.
#[derive(Clone)]
struct Saved {
    pass: Pass,
    lease: Arc<Lease>,
}

impl std::fmt::Debug for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saved").field("route", &self.pass.route).finish_non_exhaustive()
    }
}

impl<B: Backend> Backward<B, 1> for EncodeBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [input] = ops.parents;
        let d_pooled = grads.consume::<B>(&ops.node);
        if let Some(input) = input {
            assert!(ops.state.lease.holds(), "a backward pass through a graph that was discarded");
            grads.register::<B>(input.id, B::encode_backward(d_pooled, ops.state.pass));
        }
    }
}

impl<B: Backend, C: CheckpointStrategy> Backend for Autodiff<B, C> {
    fn encode(input: FloatTensor<Self>, states: FloatTensor<Self>, mut pass: Pass) -> FloatTensor<Self> {
        match EncodeBackward.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                pass.keep = true;
                let out = B::encode(input.primitive().clone(), states.primitive().clone(), pass.clone());
                let lease = Lease::take(&pass.encoder);
                prep.finish(Saved { pass, lease }, out)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::encode(input.primitive().clone(), states.primitive().clone(), pass)),
        }
    }

    fn encode_backward(_: FloatTensor<Self>, _: Pass) -> FloatTensor<Self> {
        unreachable!("the encoder has no second derivative here")
    }
}
