//! The encoder as one operation of burn's backends, with its backward pass in burn's graph.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

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
use crate::engine::{Engine, Route};

/// What one pass needs besides its tensors.
#[derive(Clone)]
pub struct Pass {
    pub(super) encoder: FrozenEncoder,
    pub(super) route: Route,
    pub(super) keep: bool,
    pub(super) examples: usize,
    pub(super) work: Work,
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
