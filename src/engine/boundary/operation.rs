//! The encoder as one operation of burn's backends, with its backward pass in burn's graph.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

use crate::data::batch::PackedBatch;
use crate::engine::flops::{Meter, PassCost};
use crate::engine::{Engine, Route, cpu_engine::CpuEngine, wgsl_engine::WgslEngine};
use crate::error::{Error, Result};

/// A pass that an engine has begun.
pub(super) struct Begun<E: Engine> {
    pass: E::Pass,
    engine: Arc<E>,
}

impl<E: Engine> Begun<E> {
    /// Begins a pass.
    ///
    /// # Errors
    /// As [`Engine::begin`].
    pub(super) fn new(engine: &Arc<E>, batch: &Arc<PackedBatch>, route: Route, tracked: bool) -> Result<Self> {
        Ok(Self { pass: engine.begin(batch, route, tracked)?, engine: engine.clone() })
    }
}

/// The pass of the engine in use.
pub(super) enum EnginePass {
    Wgsl(Begun<WgslEngine>),
    Cpu(Begun<CpuEngine>),
}

/// The engine that computes on a backend's tensors.
trait OfBackend: Engine + Sized {
    /// The pass, if it belongs to this engine.
    fn of(pass: EnginePass) -> Option<Begun<Self>>;

    /// The opposite of [`OfBackend::of`].
    fn held(begun: Begun<Self>) -> EnginePass;
}

impl OfBackend for WgslEngine {
    fn of(pass: EnginePass) -> Option<Begun<Self>> {
        if let EnginePass::Wgsl(begun) = pass { Some(begun) } else { None }
    }

    fn held(begun: Begun<Self>) -> EnginePass {
        EnginePass::Wgsl(begun)
    }
}

impl OfBackend for CpuEngine {
    fn of(pass: EnginePass) -> Option<Begun<Self>> {
        if let EnginePass::Cpu(begun) = pass { Some(begun) } else { None }
    }

    fn held(begun: Begun<Self>) -> EnginePass {
        EnginePass::Cpu(begun)
    }
}

/// What a pass needs besides its tensors.
#[derive(Clone)]
pub struct Pass {
    meter: Arc<Meter>,
    save_activations: bool,
    cost: PassCost,
    state: Arc<Mutex<State>>,
}

/// The state of a pass.
enum State {
    /// The forward pass or the backward pass is next.
    Begun(Box<EnginePass>),
    Over,
    /// The input was on another device than the encoder.
    OtherDevice,
}

impl Pass {
    /// A pass that an engine has begun.
    pub(super) fn new(meter: &Arc<Meter>, pass: EnginePass, cost: PassCost) -> Self {
        Self { meter: meter.clone(), save_activations: false, cost, state: Arc::new(Mutex::new(State::Begun(Box::new(pass)))) }
    }

    /// # Errors
    /// [`Error::Device`] if the input of the forward pass was on another device.
    pub(super) fn check(&self) -> Result<()> {
        if matches!(*self.state(), State::OtherDevice) {
            return Err(Error::device("the input is on another device than the encoder", "report this as a bug"));
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pass, if it is not over and belongs to this engine.
    fn take<E: OfBackend>(&self) -> Option<Begun<E>> {
        let State::Begun(pass) = std::mem::replace(&mut *self.state(), State::Over) else { return None };
        E::of(*pass)
    }

    /// Computes the forward pass. An input on another device is returned unchanged, and [`Self::check`] returns an error.
    fn forward<E: OfBackend>(&self, input: E::Tensor, states: E::Tensor) -> E::Tensor {
        let Some(mut begun) = self.take::<E>() else {
            *self.state() = State::OtherDevice;
            return input;
        };
        let pooled = begun.engine.forward(&mut begun.pass, input, states, self.save_activations);
        self.meter.add(self.cost.forward);
        if self.save_activations {
            self.meter.note_peak(self.cost.activation_bytes);
            *self.state() = State::Begun(Box::new(E::held(begun)));
        }
        pooled
    }

    /// Computes the backward pass.
    ///
    /// # Panics
    /// If it is the second one. burn consumes a graph in its backward pass, so there is none.
    fn backward<E: OfBackend>(&self, d_pooled: E::Tensor) -> E::Tensor {
        let begun = self.take::<E>().expect("one backward pass after each tracked forward pass, on its device");
        self.meter.add(self.cost.backward);
        begun.engine.backward(begun.pass, d_pooled)
    }
}

/// burn's backends, extended with the frozen encoder as an operation.
#[backend_extension(Autodiff, Cube, Flex)]
pub trait Backend: burn::backend::Backend {
    /// From the trained input `[R, D]` and the hidden states at the prompt's entry to pooled rows `[B, D]`.
    fn encode(input: FloatTensor<Self>, states: FloatTensor<Self>, pass: Pass) -> FloatTensor<Self>;
    /// From the gradient of the pooled rows `[B, D]` to the gradient of the trained input `[R, D]`.
    fn encode_backward(d_pooled: FloatTensor<Self>, pass: Pass) -> FloatTensor<Self>;
}

impl Backend for CubeBackend {
    fn encode(input: CubeTensor, states: CubeTensor, pass: Pass) -> CubeTensor {
        pass.forward::<WgslEngine>(input, states)
    }
    fn encode_backward(d_pooled: CubeTensor, pass: Pass) -> CubeTensor {
        pass.backward::<WgslEngine>(d_pooled)
    }
}

impl Backend for Flex {
    fn encode(input: FlexTensor, states: FlexTensor, pass: Pass) -> FlexTensor {
        pass.forward::<CpuEngine>(input, states)
    }
    fn encode_backward(d_pooled: FlexTensor, pass: Pass) -> FlexTensor {
        pass.backward::<CpuEngine>(d_pooled)
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
                pass.save_activations = true;
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
