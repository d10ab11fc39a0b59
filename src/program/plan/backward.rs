//! The backward steps: one rule for each kind of step, from the last to the first. Gradients are computed for the rows that depend
//! on trained input, and for nothing else.

use std::collections::HashMap;

use super::{Draft, Epilogue, Purpose, Rows, Step};
use crate::program::Value;

/// The gradient of a value so far.
#[derive(Debug, Clone, Copy, Default)]
struct Gradient {
    /// Of all rows, `[T, ..]`.
    all: Option<Value>,
    /// Of the prompt rows, `[B P, ..]`, to be added to those of `all`.
    prompt: Option<Value>,
}

/// Values of the forward pass that the backward pass reads.
struct Kept<'a> {
    forward: &'a [Step],
    /// Wide products that are computed again, with what stands for them.
    again: HashMap<Value, Option<Value>>,
}

impl Draft {
    pub(super) fn backward(&mut self, purpose: &Purpose) {
        let forward = std::mem::take(&mut self.forward);
        let mut kept = Kept { forward: &forward, again: HashMap::new() };
        if purpose.recompute {
            kept.again = recomputed(&forward).into_iter().map(|value| (value, None)).collect();
        }
        let mut gradients: HashMap<Value, Gradient> = HashMap::new();
        for step in forward.iter().rev() {
            self.gradient(step, &mut gradients, &mut kept);
        }
        self.forward = forward;
    }

    /// The rule of a step.
    fn gradient(&mut self, step: &Step, gradients: &mut HashMap<Value, Gradient>, kept: &mut Kept<'_>) {
        match *step {
            Step::Embed { out } | Step::Insert { out } => {
                let Gradient { all, prompt } = gradients.remove(&out).unwrap_or_default();
                if all.is_some() || prompt.is_some() {
                    self.backward.push(Step::InputGrad { all, prompt });
                }
            }
            Step::Pool { x, tap } => {
                let Some(Rows::All) = self.trained.get(&x) else { return };
                let add = gradients.remove(&x).and_then(|gradient| gradient.all);
                let out = self.gradient_of(x, Rows::All);
                self.backward.push(Step::PoolGrad { tap, add, out });
                gradients.insert(x, Gradient { all: Some(out), prompt: None });
            }
            Step::Add { x, y, out } => {
                let Some(d_out) = take(gradients, out) else { return };
                for input in [x, y] {
                    self.contribute(input, d_out, gradients);
                }
            }
            Step::Linear { x, weight, out, .. } => {
                let gradient = gradients.remove(&out).unwrap_or_default();
                let (Some(d_out), Some(&rows)) = (gradient.all.or(gradient.prompt), self.trained.get(&x)) else { return };
                let d_x = self.gradient_of(x, rows);
                let known = gradients.entry(x).or_default();
                let epilogue = match (rows, known.all) {
                    (Rows::All, Some(y)) => Epilogue::Add { y },
                    _ => Epilogue::Plain,
                };
                *known = match rows {
                    Rows::All => Gradient { all: Some(d_x), prompt: known.prompt },
                    Rows::Prompt => Gradient { all: known.all, prompt: Some(d_x) },
                };
                self.backward.push(Step::LinearGrad { d_out, weight, epilogue, out: d_x });
            }
            Step::Norm { x, norm, out, stats } => {
                let Some(d_out) = take(gradients, out).filter(|_| self.trained.contains_key(&x)) else { return };
                let d_x = self.gradient_of(x, Rows::All);
                let add = gradients.insert(x, Gradient { all: Some(d_x), prompt: None }).and_then(|known| known.all);
                self.backward.push(Step::NormGrad { d_out, x, stats, norm, add, out: d_x });
            }
            Step::Activation { function, x, out } => {
                let Some(d_out) = take(gradients, out).filter(|_| self.trained.contains_key(&x)) else { return };
                let (argument, d_x) = (self.read(x, kept), self.gradient_of(x, Rows::All));
                self.backward.push(Step::ActivationGrad { function, d_out, x: argument, out: d_x });
                self.contribute(x, d_x, gradients);
            }
            Step::Gate { function, x, out } => {
                let Some(d_out) = take(gradients, out).filter(|_| self.trained.contains_key(&x)) else { return };
                let (argument, d_x) = (self.read(x, kept), self.gradient_of(x, Rows::All));
                self.backward.push(Step::GateGrad { function, d_out, x: argument, out: d_x });
                self.contribute(x, d_x, gradients);
            }
            Step::Attention { x, attention, out, lse } => {
                let (Some(d_out), Some(&rows)) = (take(gradients, out), self.trained.get(&x)) else { return };
                let (qkv, d_x) = (self.read(x, kept), self.gradient_of(x, rows));
                let delta = self.value(format!("{}.delta", self.name(d_x)), attention.heads, Rows::All);
                self.backward.push(Step::AttentionGrad { d_out, x: qkv, lse, attention, out: d_x, delta });
                gradients.insert(x, of_rows(rows, d_x));
            }
            Step::Prefix { layer, x, out } => {
                let gradient = gradients.remove(&out).unwrap_or_default();
                let (Some(d_out), Some(&rows)) = (gradient.all.or(gradient.prompt), self.trained.get(&out)) else { return };
                let d_x = self.gradient_of(x, rows);
                self.backward.push(Step::PrefixGrad { layer, x: d_out, out: d_x });
                if self.trained.contains_key(&x) {
                    gradients.insert(x, of_rows(rows, d_x));
                }
            }
            Step::Rotate { x, heads, head_size, theta, out, .. } => {
                let gradient = gradients.remove(&out).unwrap_or_default();
                let (Some(d_out), Some(&rows)) = (gradient.all.or(gradient.prompt), self.trained.get(&x)) else { return };
                let d_x = self.gradient_of(x, rows);
                self.backward.push(Step::Rotate { x: d_out, heads, head_size, theta, back: true, out: d_x });
                gradients.insert(x, of_rows(rows, d_x));
            }
            Step::NeuronScores { .. }
            | Step::PoolGrad { .. }
            | Step::LinearGrad { .. }
            | Step::NormGrad { .. }
            | Step::ActivationGrad { .. }
            | Step::GateGrad { .. }
            | Step::AttentionGrad { .. }
            | Step::PrefixGrad { .. }
            | Step::InputGrad { .. } => {}
        }
    }

    fn gradient_of(&mut self, value: Value, rows: Rows) -> Value {
        let name = format!("d_{}", self.name(value));
        self.value(name, self.width(value), rows)
    }

    /// Adds a gradient of all rows to that of a value, if any of its rows is trained.
    fn contribute(&mut self, value: Value, d_value: Value, gradients: &mut HashMap<Value, Gradient>) {
        if !self.trained.contains_key(&value) {
            return;
        }
        let all = match gradients.get(&value).and_then(|known| known.all) {
            None => d_value,
            Some(x) => {
                let out = self.gradient_of(value, Rows::All);
                self.backward.push(Step::Add { x, y: d_value, out });
                out
            }
        };
        gradients.entry(value).or_default().all = Some(all);
    }

    /// A value of the forward pass, computed again if it is not kept.
    fn read(&mut self, value: Value, kept: &mut Kept<'_>) -> Value {
        match kept.again.get(&value) {
            None => value,
            Some(&Some(again)) => again,
            Some(None) => self.compute_again(value, kept),
        }
    }

    /// Computes a value again, and before it what it needs that is not kept either: the steps that wrote them, in their order.
    fn compute_again(&mut self, value: Value, kept: &mut Kept<'_>) -> Value {
        let Some(step) = kept.forward.iter().find(|step| step.outputs().any(|out| out == value)) else { return value };
        // A value that a step reads in the backward pass anyway is kept; any other one is computed again.
        let mut step = *step;
        let copy = |draft: &mut Self, value: Value| draft.value(format!("{}'", draft.name(value)), draft.width(value), Rows::All);
        let input = |draft: &mut Self, x: Value, kept: &mut Kept<'_>| match kept.again.get(&x) {
            Some(&Some(again)) => again,
            Some(None) => draft.compute_again(x, kept),
            None if is_kept(kept.forward, x) => x,
            None => draft.compute_again(x, kept),
        };
        match &mut step {
            Step::Embed { out } | Step::Insert { out } => *out = copy(self, value),
            Step::Prefix { x, out, .. }
            | Step::Linear { x, out, .. }
            | Step::Activation { x, out, .. }
            | Step::Gate { x, out, .. }
            | Step::Rotate { x, out, .. } => (*x, *out) = (input(self, *x, kept), copy(self, value)),
            Step::Norm { x, out, stats, .. } => {
                (*x, *out, *stats) = (input(self, *x, kept), copy(self, value), copy(self, *stats));
            }
            Step::Add { x, y, out } => (*x, *y, *out) = (input(self, *x, kept), input(self, *y, kept), copy(self, value)),
            _ => return value,
        }
        self.backward.push(step);
        let again = step.outputs().next().unwrap_or(value);
        if let Some(known) = kept.again.get_mut(&value) {
            *known = Some(again);
        }
        again
    }
}

fn of_rows(rows: Rows, gradient: Value) -> Gradient {
    match rows {
        Rows::All => Gradient { all: Some(gradient), prompt: None },
        Rows::Prompt => Gradient { all: None, prompt: Some(gradient) },
    }
}

fn take(gradients: &mut HashMap<Value, Gradient>, value: Value) -> Option<Value> {
    gradients.remove(&value).and_then(|gradient| gradient.all)
}

/// Whether a rule reads this value of the forward pass: the input of a norm.
fn is_kept(forward: &[Step], value: Value) -> bool {
    forward.iter().any(|step| matches!(*step, Step::Norm { x, .. } if x == value))
}

/// The results of wide products that are computed again: the arguments of attentions, with what was done to them, and of
/// activation functions.
fn recomputed(forward: &[Step]) -> Vec<Value> {
    let mut values = Vec::new();
    for step in forward {
        match *step {
            Step::Attention { x, .. } | Step::Activation { x, .. } | Step::Gate { x, .. } => values.push(x),
            _ => {}
        }
    }
    values
}
