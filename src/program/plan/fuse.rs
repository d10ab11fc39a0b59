//! Joins neighbouring steps that an interpreter computes as one.

use super::{Draft, Epilogue, Step};
use crate::program::Value;

/// What an interpreter can compute as part of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fusions {
    /// A product and the sum with a residual.
    pub add: bool,
    /// A product and an activation function of it, and the gradients of both.
    pub activation: bool,
}

impl Fusions {
    /// None: every step is an operation of the program, or the gradient of one.
    pub const NONE: Self = Self { add: false, activation: false };
    /// Those of the kernels.
    pub const ALL: Self = Self { add: true, activation: true };
}

impl Draft {
    pub(super) fn fuse(&mut self, fusions: Fusions) {
        let reads: Vec<Value> = self.forward.iter().chain(&self.backward).flat_map(Step::inputs).collect();
        let once = |value: Value| reads.iter().filter(|read| **read == value).count() == 1;
        for steps in [&mut self.forward, &mut self.backward] {
            let mut at = 0;
            while at < steps.len() {
                // The second step stays in its place: what it reads besides may be written between the two.
                let fused = (0..at).rev().find_map(|before| Some((before, fused(steps[before], steps[at], fusions, once)?)));
                if let Some((before, step)) = fused {
                    steps[at] = step;
                    steps.remove(before);
                } else {
                    at += 1;
                }
            }
        }
    }
}

/// Two steps as one, if the second continues the first; `once` says whether a value is read only once.
fn fused(first: Step, second: Step, fusions: Fusions, once: impl Fn(Value) -> bool) -> Option<Step> {
    match (first, second) {
        (Step::Linear { x, weight, bias, epilogue: Epilogue::Plain, out: product }, Step::Add { x: a, y: b, out })
            if fusions.add && (a == product || b == product) && once(product) =>
        {
            let y = if a == product { b } else { a };
            Some(Step::Linear { x, weight, bias, epilogue: Epilogue::Add { y }, out })
        }
        (
            Step::Linear { x, weight, bias, epilogue: Epilogue::Plain, out: pre },
            Step::Activation { function, x: argument, out },
        ) if fusions.activation && argument == pre => {
            Some(Step::Linear { x, weight, bias, epilogue: Epilogue::Activation { function, pre }, out })
        }
        (
            Step::LinearGrad { d_out, weight, epilogue: Epilogue::Plain, out: product },
            Step::ActivationGrad { function, d_out: d_activation, x, out },
        ) if fusions.activation && d_activation == product && once(product) => {
            Some(Step::LinearGrad { d_out, weight, epilogue: Epilogue::ActivationGrad { function, x }, out })
        }
        _ => None,
    }
}
