//! The encoder as one operation of burn's backends, with its backward pass in burn's graph.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::{
    Autodiff, Flex,
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

use super::FrozenEncoder;
use crate::engine::flops::Work;
use crate::engine::{Engine, cpu_engine::CpuPass, wgsl_engine::WgslPass};

/// What a pass needs besides its tensors.
#[derive(Clone)]
pub struct Pass {
    encoder: FrozenEncoder,
    keep: bool,
    work: Work,
    /// `None` when the pass is finished.
    engine: Arc<Mutex<Option<Passes>>>,
}

/// The pass of the engine in use.
pub(super) enum Passes {
    Wgsl(WgslPass),
    Cpu(CpuPass),
}

impl Pass {
    /// A pass that an engine has begun.
    pub(super) fn new(encoder: &FrozenEncoder, pass: Passes, work: Work) -> Self {
        Self { encoder: encoder.clone(), keep: false, work, engine: Arc::new(Mutex::new(Some(pass))) }
    }

    /// The engine's pass.
    fn take(&self) -> Option<Passes> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Counts the forward pass, and stores the pass for the backward pass.
    fn ran(&self, pass: Passes) {
        self.encoder.meter.add(self.work.forward);
        if self.keep {
            self.encoder.meter.keep(self.work.kept);
            *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = Some(pass);
        }
    }
}

/// burn's backends, extended with the frozen encoder as an operation.
#[backend_extension(Autodiff, Cube, Flex)]
pub trait Backend: burn::backend::Backend {
    /// The trained input `[R, D]`, and hidden states at the entry, to pooled rows `[B, D]`.
    fn encode(input: FloatTensor<Self>, states: FloatTensor<Self>, pass: Pass) -> FloatTensor<Self>;
    /// Gradient of the pooled rows `[B, D]` to gradient of the trained input `[R, D]`.
    fn encode_backward(d_pooled: FloatTensor<Self>, pass: Pass) -> FloatTensor<Self>;
}

impl Backend for CubeBackend {
    fn encode(input: CubeTensor, states: CubeTensor, pass: Pass) -> CubeTensor {
        let Some(Passes::Wgsl(mut begun)) = pass.take() else { unreachable!("a wgpu tensor meets no pass on the GPU") };
        let pooled = pass.encoder.wgsl().forward(&mut begun, input, states, pass.keep);
        pass.ran(Passes::Wgsl(begun));
        pooled
    }
    fn encode_backward(d_pooled: CubeTensor, pass: Pass) -> CubeTensor {
        let Some(Passes::Wgsl(begun)) = pass.take() else { unreachable!("a backward pass without its forward pass") };
        pass.encoder.meter.add(pass.work.backward);
        pass.encoder.wgsl().backward(begun, d_pooled)
    }
}

impl Backend for Flex {
    fn encode(input: FlexTensor, states: FlexTensor, pass: Pass) -> FlexTensor {
        let Some(Passes::Cpu(mut begun)) = pass.take() else { unreachable!("a CPU tensor meets no pass on the CPU") };
        let pooled = pass.encoder.cpu().forward(&mut begun, input, states, pass.keep);
        pass.ran(Passes::Cpu(begun));
        pooled
    }
    fn encode_backward(d_pooled: FlexTensor, pass: Pass) -> FlexTensor {
        let Some(Passes::Cpu(begun)) = pass.take() else { unreachable!("a backward pass without its forward pass") };
        pass.encoder.meter.add(pass.work.backward);
        pass.encoder.cpu().backward(begun, d_pooled)
    }
}

#[derive(Debug)]
struct EncodeBackward;

/// State for the backward pass: the pass, which owns the activations.
#[derive(Clone)]
struct Saved(Pass);

impl std::fmt::Debug for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saved").finish_non_exhaustive()
    }
}

impl<B: Backend> Backward<B, 1> for EncodeBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [input] = ops.parents;
        let d_pooled = grads.consume::<B>(&ops.node);
        if let Some(input) = input {
            grads.register::<B>(input.id, B::encode_backward(d_pooled, ops.state.0));
        }
    }
}

impl<B: Backend, C: CheckpointStrategy> Backend for Autodiff<B, C> {
    fn encode(input: FloatTensor<Self>, states: FloatTensor<Self>, mut pass: Pass) -> FloatTensor<Self> {
        match EncodeBackward.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                pass.keep = true;
                let out = B::encode(input.primitive().clone(), states.primitive().clone(), pass.clone());
                prep.finish(Saved(pass), out)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::encode(input.primitive().clone(), states.primitive().clone(), pass)),
        }
    }

    fn encode_backward(_: FloatTensor<Self>, _: Pass) -> FloatTensor<Self> {
        unreachable!("the encoder has no second derivative here")
    }
}
