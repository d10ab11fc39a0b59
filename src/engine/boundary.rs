//! The one operation in burn's graph: the whole frozen encoder, from prompt rows `[P, D]` to pooled rows `[B, D]`.
//!
//! burn sees a differentiable function of the prompt; what happens inside is an [`Engine`]. Tensors of a few kilobytes cross;
//! nothing is read back.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use burn::backend::{
    Autodiff, Dispatch, Flex,
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

use super::{Engine, Pooling, cpu_engine::CpuEngine, wgsl_engine::WgslEngine};
use crate::config::Recompute;
use crate::data::batch::PackedBatch;
use crate::error::{Error, Result};

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
}

impl FrozenEncoder {
    /// The encoder on a wgpu device. Prompts must live on the burn device that shares it.
    #[must_use]
    pub fn on_gpu(engine: WgslEngine) -> Self {
        Self { engine: Engines::Wgsl(Arc::new(engine)), pending: Arc::default(), passes: Arc::default() }
    }

    /// The encoder on the CPU. Prompts must live on burn's flex device.
    #[must_use]
    pub fn on_cpu(engine: CpuEngine) -> Self {
        Self { engine: Engines::Cpu(Arc::new(engine)), pending: Arc::default(), passes: Arc::default() }
    }

    /// Pooled rows `[B, D]` of a batch behind the prompt rows `[P, D]`. Where the prompt is tracked by autodiff, the
    /// activations are kept until the backward pass has used them, or [`FrozenEncoder::discard`].
    ///
    /// A batch without prompt rows ignores the values of `prompt`, but not its device: pass any `[1, D]` tensor.
    ///
    /// # Errors
    /// [`Error::Device`] while an earlier tracked forward waits for its backward (its activations would be overwritten);
    /// [`Error::Model`] for a token id or a length that the encoder has no embedding for.
    pub fn encode(&self, batch: &Arc<PackedBatch>, prompt: Tensor<2>, pooling: Pooling) -> Result<Tensor<2>> {
        if self.pending.load(Ordering::Acquire) != 0 {
            return Err(Error::device(
                "a second forward pass began before the backward pass of the first",
                "run the backward pass, or discard the first graph: its activations would be overwritten",
            ));
        }
        match &self.engine {
            Engines::Wgsl(engine) => engine.prepare(batch)?,
            Engines::Cpu(engine) => engine.prepare(batch)?,
        }
        let pass = Pass { encoder: self.clone(), pooling, keep: false, examples: batch.examples() };
        Ok(Tensor::from_dispatch(Dispatch::encode(prompt.into_dispatch(), pass)))
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

/// What one pass needs besides the prompt.
#[derive(Clone)]
pub struct Pass {
    encoder: FrozenEncoder,
    pooling: Pooling,
    keep: bool,
    examples: usize,
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
    /// Prompt rows `[P, D]` to pooled rows `[B, D]`.
    fn encode(prompt: FloatTensor<Self>, pass: Pass) -> FloatTensor<Self>;
    /// Gradient of the pooled rows `[B, D]` to the gradient of the prompt rows `[P, D]`.
    fn encode_backward(d_pooled: FloatTensor<Self>, pass: Pass) -> FloatTensor<Self>;
}

impl Backend for CubeBackend {
    fn encode(prompt: CubeTensor, pass: Pass) -> CubeTensor {
        pass.encoder.wgsl().forward(prompt, pass.pooling, pass.keep, pass.examples)
    }
    fn encode_backward(d_pooled: CubeTensor, pass: Pass) -> CubeTensor {
        pass.encoder.wgsl().backward(d_pooled, pass.pooling)
    }
}

impl Backend for Flex {
    fn encode(prompt: FlexTensor, pass: Pass) -> FlexTensor {
        pass.encoder.cpu().forward(prompt, pass.pooling, pass.keep, pass.examples)
    }
    fn encode_backward(d_pooled: FlexTensor, pass: Pass) -> FlexTensor {
        pass.encoder.cpu().backward(d_pooled, pass.pooling)
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
        f.debug_struct("Saved").field("pooling", &self.pass.pooling).finish_non_exhaustive()
    }
}

impl<B: Backend> Backward<B, 1> for EncodeBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [prompt] = ops.parents;
        let d_pooled = grads.consume::<B>(&ops.node);
        if let Some(prompt) = prompt {
            assert!(ops.state.lease.holds(), "a backward pass through a graph that was discarded");
            grads.register::<B>(prompt.id, B::encode_backward(d_pooled, ops.state.pass));
        }
    }
}

impl<B: Backend, C: CheckpointStrategy> Backend for Autodiff<B, C> {
    fn encode(prompt: FloatTensor<Self>, mut pass: Pass) -> FloatTensor<Self> {
        match EncodeBackward.prepare::<C>([prompt.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                pass.keep = true;
                let out = B::encode(prompt.primitive().clone(), pass.clone());
                let lease = Lease::take(&pass.encoder);
                prep.finish(Saved { pass, lease }, out)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::encode(prompt.primitive().clone(), pass)),
        }
    }

    fn encode_backward(_: FloatTensor<Self>, _: Pass) -> FloatTensor<Self> {
        unreachable!("the encoder has no second derivative here")
    }
}
