//! What a pass over an encoder computes, derived from its [`Program`] and a route: the forward steps, the backward steps, what is
//! kept between them, and which buffer holds what. No device is in it.
//!
//! Values of a plan are written once. A step may take over the buffer of a value that it reads, if nothing reads that value
//! later ([`Step::takes_over`]); the plan then has two values in one buffer, one after the other.

mod backward;
mod forward;
mod fuse;
mod print;
mod slots;

use std::collections::HashMap;

use super::{Activation, Attention, Entry, Norm, Pooling, Program, Value, Weight};

pub use fuse::Fusions;

/// The packed rows of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rows {
    /// The prompt rows only, example after example: `[B P, ..]`.
    Prompt,
    /// All packed rows: `[T, ..]`.
    All,
}

/// A value of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanValue {
    /// The name of the program's value; `d_` before it for a gradient, `'` after it if it is computed again.
    pub name: String,
    /// Elements per row.
    pub width: usize,
    /// Its rows.
    pub rows: Rows,
    /// The buffer that holds it: its position in [`Plan::slots`].
    pub slot: usize,
}

/// Pooled rows that a pass returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tap {
    /// Layers below the rows.
    pub layers: usize,
    /// How the rows of an example are reduced to one.
    pub pooling: Pooling,
}

/// What a fused product does with its result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Epilogue {
    /// Nothing.
    Plain,
    /// `out = product + y`.
    Add {
        /// As `out`.
        y: Value,
    },
    /// `pre = product`, `out = f(pre)`.
    Activation {
        /// f.
        function: Activation,
        /// The argument of f, as `out`.
        pre: Value,
    },
    /// `out = product f'(x)`, in the buffer of x.
    ActivationGrad {
        /// f.
        function: Activation,
        /// The argument of f, as `out`.
        x: Value,
    },
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// The embeddings of words and prompt rows.
    Embed {
        /// `[T, E]`.
        out: Value,
    },
    /// Prompt rows between given hidden states.
    Insert {
        /// `[T, D]`.
        out: Value,
    },
    /// Replaces keys and values of the prompt rows by those of the prefix.
    Prefix {
        /// The layer.
        layer: usize,
        /// `[T, 3 D]`.
        x: Value,
        /// In the buffer of x.
        out: Value,
    },
    /// `out = epilogue(x weight^T + bias)`.
    Linear {
        /// `[T, in]`.
        x: Value,
        /// `[out, in]`.
        weight: Weight,
        /// `[out]`.
        bias: Option<Weight>,
        /// What happens to the product.
        epilogue: Epilogue,
        /// `[T, out]`.
        out: Value,
    },
    /// `out = norm(x)`, and its statistics.
    Norm {
        /// `[T, D]`.
        x: Value,
        /// The norm.
        norm: Norm,
        /// `[T, D]`.
        out: Value,
        /// `[T, 2]`: mean and reciprocal standard deviation.
        stats: Value,
    },
    /// `out = f(x)`.
    Activation {
        /// f.
        function: Activation,
        /// `[T, F]`.
        x: Value,
        /// `[T, F]`.
        out: Value,
    },
    /// `out = f(a) b` for `x = a | b`.
    Gate {
        /// f.
        function: Activation,
        /// `[T, 2 F]`.
        x: Value,
        /// `[T, F]`.
        out: Value,
    },
    /// Turns queries and keys by their positions, or with `back` the gradients of turned ones.
    Rotate {
        /// `[.., 3 D]`.
        x: Value,
        /// Heads.
        heads: usize,
        /// Elements of a head.
        head_size: usize,
        /// Base of the angles.
        theta: f64,
        /// In the opposite direction.
        back: bool,
        /// In the buffer of x.
        out: Value,
    },
    /// Attention within each example.
    Attention {
        /// `[T, 3 D]`.
        x: Value,
        /// Its form.
        attention: Attention,
        /// `[T, D]`.
        out: Value,
        /// `[T, H]`: logarithm of the softmax's denominator.
        lse: Value,
    },
    /// `out = x + y`.
    Add {
        /// `[T, D]`.
        x: Value,
        /// `[T, D]`.
        y: Value,
        /// `[T, D]`.
        out: Value,
    },
    /// Adds up the examples' mean absolute activations of every neuron.
    NeuronScores {
        /// The layer.
        layer: usize,
        /// `[T, F]`.
        x: Value,
    },
    /// Pools the rows of each example.
    Pool {
        /// `[T, D]`.
        x: Value,
        /// Which of the route's taps.
        tap: usize,
    },
    /// The gradient of pooled rows, added to `add`.
    PoolGrad {
        /// Which of the route's taps.
        tap: usize,
        /// `[T, D]`, whose buffer is taken over.
        add: Option<Value>,
        /// `[T, D]`.
        out: Value,
    },
    /// `out = epilogue(d_out weight)`.
    LinearGrad {
        /// The gradient of the product, `[.., out]`.
        d_out: Value,
        /// `[out, in]`.
        weight: Weight,
        /// What happens to the product.
        epilogue: Epilogue,
        /// `[.., in]`.
        out: Value,
    },
    /// The input gradient of a norm, plus `add`.
    NormGrad {
        /// `[T, D]`.
        d_out: Value,
        /// The norm's input.
        x: Value,
        /// Its statistics.
        stats: Value,
        /// The norm.
        norm: Norm,
        /// `[T, D]`.
        add: Option<Value>,
        /// `[T, D]`.
        out: Value,
    },
    /// `out = d_out f'(x)`.
    ActivationGrad {
        /// f.
        function: Activation,
        /// `[T, F]`.
        d_out: Value,
        /// `[T, F]`.
        x: Value,
        /// `[T, F]`.
        out: Value,
    },
    /// The gradient of a gate's input.
    GateGrad {
        /// f.
        function: Activation,
        /// `[T, F]`.
        d_out: Value,
        /// `[T, 2 F]`.
        x: Value,
        /// `[T, 2 F]`.
        out: Value,
    },
    /// The gradient of queries, keys and values.
    AttentionGrad {
        /// `[T, D]`.
        d_out: Value,
        /// `[T, 3 D]`.
        x: Value,
        /// `[T, H]`.
        lse: Value,
        /// Its form.
        attention: Attention,
        /// `[.., 3 D]`.
        out: Value,
        /// `[T, H]`: for every query and head, the sum of `p d_p`.
        delta: Value,
    },
    /// Moves the gradient of the prefix out of that of keys and values.
    PrefixGrad {
        /// The layer.
        layer: usize,
        /// `[.., 3 D]`.
        x: Value,
        /// In the buffer of x.
        out: Value,
    },
    /// The gradient of the rows that were embedded or inserted.
    InputGrad {
        /// `[T, D]`.
        all: Option<Value>,
        /// `[B P, D]`, added to the prompt rows of `all`.
        prompt: Option<Value>,
    },
}

impl Step {
    /// The values that it writes.
    pub fn outputs(&self) -> impl Iterator<Item = Value> + use<> {
        let (first, second) = match *self {
            Self::NeuronScores { .. } | Self::Pool { .. } | Self::InputGrad { .. } => (None, None),
            Self::Linear { out, epilogue: Epilogue::Activation { pre, .. }, .. } => (Some(out), Some(pre)),
            Self::Norm { out, stats: second, .. }
            | Self::Attention { out, lse: second, .. }
            | Self::AttentionGrad { out, delta: second, .. } => (Some(out), Some(second)),
            Self::Embed { out }
            | Self::Insert { out }
            | Self::Prefix { out, .. }
            | Self::Linear { out, .. }
            | Self::Activation { out, .. }
            | Self::Gate { out, .. }
            | Self::Rotate { out, .. }
            | Self::Add { out, .. }
            | Self::PoolGrad { out, .. }
            | Self::LinearGrad { out, .. }
            | Self::NormGrad { out, .. }
            | Self::ActivationGrad { out, .. }
            | Self::GateGrad { out, .. }
            | Self::PrefixGrad { out, .. } => (Some(out), None),
        };
        first.into_iter().chain(second)
    }

    /// The values that it reads.
    #[must_use]
    pub fn inputs(&self) -> Vec<Value> {
        let of = |epilogue: Epilogue| match epilogue {
            Epilogue::Add { y } => Some(y),
            Epilogue::ActivationGrad { x, .. } => Some(x),
            Epilogue::Plain | Epilogue::Activation { .. } => None,
        };
        match *self {
            Self::Embed { .. } | Self::Insert { .. } => Vec::new(),
            Self::Prefix { x, .. }
            | Self::Norm { x, .. }
            | Self::Activation { x, .. }
            | Self::Gate { x, .. }
            | Self::Rotate { x, .. }
            | Self::Attention { x, .. }
            | Self::NeuronScores { x, .. }
            | Self::Pool { x, .. }
            | Self::PrefixGrad { x, .. } => vec![x],
            Self::Linear { x, epilogue, .. } | Self::LinearGrad { d_out: x, epilogue, .. } => {
                [Some(x), of(epilogue)].into_iter().flatten().collect()
            }
            Self::Add { x, y, .. } => vec![x, y],
            Self::PoolGrad { add, .. } => add.into_iter().collect(),
            Self::NormGrad { d_out, x, stats, add, .. } => [d_out, x, stats].into_iter().chain(add).collect(),
            Self::ActivationGrad { d_out, x, .. } | Self::GateGrad { d_out, x, .. } => vec![d_out, x],
            Self::AttentionGrad { d_out, x, lse, .. } => vec![d_out, x, lse],
            Self::InputGrad { all, prompt } => all.into_iter().chain(prompt).collect(),
        }
    }

    /// The value whose buffer its output takes over.
    #[must_use]
    pub fn takes_over(&self) -> Option<Value> {
        match *self {
            Self::Prefix { x, .. } | Self::Rotate { x, .. } | Self::PrefixGrad { x, .. } => Some(x),
            Self::PoolGrad { add, .. } => add,
            Self::LinearGrad { epilogue: Epilogue::ActivationGrad { x, .. }, .. } => Some(x),
            _ => None,
        }
    }
}

/// What a plan is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Purpose {
    /// Where prompt rows enter.
    pub entry: Entry,
    /// Whether there are prompt rows (not prefix rows) that are trained.
    pub prompt: bool,
    /// Whether the text embeddings have a trained update.
    pub update: bool,
    /// Whether the prompt rows are prefix rows.
    pub prefix: bool,
    /// The pooled rows that are read.
    pub taps: Vec<Tap>,
    /// The number of layers after which the pass ends.
    pub end: usize,
    /// Whether the activations of all neurons are measured.
    pub scores: bool,
    /// Whether a backward pass follows.
    pub tracked: bool,
    /// Whether the results of wide products are computed again in the backward pass instead of kept.
    pub recompute: bool,
}

impl Purpose {
    /// The layers up to `end`, without anything trained.
    #[must_use]
    pub fn states(entry: Entry, end: usize) -> Self {
        Self {
            entry,
            prompt: false,
            update: false,
            prefix: false,
            taps: Vec::new(),
            end,
            scores: false,
            tracked: false,
            recompute: false,
        }
    }

    fn first(&self) -> usize {
        match self.entry {
            Entry::Words => 0,
            Entry::After(layers) => layers,
        }
    }
}

/// A plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Values of both passes.
    pub values: Vec<PlanValue>,
    /// The forward pass, in order.
    pub forward: Vec<Step>,
    /// The backward pass, in order; empty if nothing is trained.
    pub backward: Vec<Step>,
    /// Elements per packed row of each buffer.
    pub slots: Vec<usize>,
    /// The input of the lowest layer of the pass, then the output of each layer. Only the last one still has its buffer at the
    /// end of the forward pass.
    pub hidden: Vec<Value>,
    /// The values that the forward pass keeps for the backward pass.
    pub kept: Vec<Value>,
}

impl Plan {
    /// Derives the plan of a pass.
    #[must_use]
    pub fn new(program: &Program, purpose: &Purpose, fusions: Fusions) -> Self {
        let mut draft = Draft::forward(program, purpose);
        if purpose.tracked {
            draft.backward(purpose);
        }
        draft.fuse(fusions);
        draft.finish()
    }

    /// A value.
    #[must_use]
    pub fn value(&self, value: Value) -> &PlanValue {
        &self.values[value.index()]
    }

    /// Elements per packed row that the forward pass keeps for the backward pass.
    #[must_use]
    pub fn kept_width(&self) -> usize {
        self.kept.iter().map(|&value| self.value(value).width).sum()
    }

    /// Elements per packed row of all buffers.
    #[must_use]
    pub fn width(&self) -> usize {
        self.slots.iter().sum()
    }
}

/// A plan that is being derived.
struct Draft {
    values: Vec<PlanValue>,
    forward: Vec<Step>,
    backward: Vec<Step>,
    hidden: Vec<Value>,
    /// For every value of the forward pass, its rows that depend on trained input.
    trained: HashMap<Value, Rows>,
}

impl Draft {
    fn value(&mut self, name: String, width: usize, rows: Rows) -> Value {
        self.values.push(PlanValue { name, width, rows, slot: usize::MAX });
        Value(self.values.len() as u32 - 1)
    }

    fn name(&self, value: Value) -> &str {
        &self.values[value.index()].name
    }

    fn width(&self, value: Value) -> usize {
        self.values[value.index()].width
    }

    fn finish(mut self) -> Plan {
        let kept = self.kept();
        let slots = slots::assign(&mut self.values, &self.forward, &self.backward, self.hidden.last().copied());
        let Self { values, forward, backward, hidden, .. } = self;
        Plan { values, forward, backward, slots, hidden, kept }
    }

    /// The values that the backward pass reads and the forward pass writes.
    fn kept(&self) -> Vec<Value> {
        let written: Vec<Value> = self.forward.iter().flat_map(Step::outputs).collect();
        let mut kept: Vec<Value> = self.backward.iter().flat_map(Step::inputs).filter(|value| written.contains(value)).collect();
        kept.sort_unstable();
        kept.dedup();
        kept
    }
}
