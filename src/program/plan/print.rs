//! A plan as text, a line for each step, with the buffer of every value in brackets.

use std::fmt;

use super::{Epilogue, Plan, Rows, Step};
use crate::program::{Attention, Program, Value, Weight};

/// A plan with the names of its program's weights.
pub struct Printed<'a> {
    plan: &'a Plan,
    program: &'a Program,
}

impl Plan {
    /// The plan as text.
    #[must_use]
    pub fn printed<'a>(&'a self, program: &'a Program) -> Printed<'a> {
        Printed { plan: self, program }
    }
}

impl Printed<'_> {
    /// `name[slot]`, with `~` if it has only the prompt rows.
    fn name(&self, value: Value) -> String {
        let value = self.plan.value(value);
        let rows = if value.rows == Rows::Prompt { "~" } else { "" };
        format!("{}{rows}[{}]", value.name, value.slot)
    }

    fn part(&self, weight: Weight) -> &str {
        let name = &self.program.weights[weight.index()].name;
        name.rsplit_once('.').map_or(name, |(part, _)| part)
    }

    fn epilogue(&self, epilogue: Epilogue) -> String {
        match epilogue {
            Epilogue::Plain => String::new(),
            Epilogue::Add { y } => format!(" + {}", self.name(y)),
            Epilogue::Activation { function, pre } => format!(" -> {} -> {function}", self.name(pre)),
            Epilogue::ActivationGrad { function, x } => format!(" {function}'({})", self.name(x)),
        }
    }

    fn step(&self, step: &Step) -> (String, String) {
        let name = |value: Value| self.name(value);
        let plus = |add: Option<Value>| add.map_or_else(String::new, |add| format!(" + {}", name(add)));
        let form = |attention: Attention| {
            let bias = if attention.bias.is_some() { ", relative" } else { "" };
            let window = attention.window.map_or_else(String::new, |window| format!(", window {window}"));
            format!("{bias}{window}")
        };
        let text = match *step {
            Step::Embed { .. } => "embed()".to_owned(),
            Step::Insert { .. } => "insert()".to_owned(),
            Step::Prefix { layer, x, .. } => format!("prefix({}, layer {layer})", name(x)),
            Step::Linear { x, weight, epilogue, .. } => {
                format!("linear({}, {}){}", name(x), self.part(weight), self.epilogue(epilogue))
            }
            Step::Norm { x, norm, .. } => format!("norm({}, {})", name(x), self.part(norm.gamma)),
            Step::Activation { function, x, .. } => format!("{function}({})", name(x)),
            Step::Gate { function, x, .. } => format!("gate({}, {function})", name(x)),
            Step::Rotate { x, theta, back, .. } => {
                format!("{}({}, theta {theta})", if back { "rotate_back" } else { "rotate" }, name(x))
            }
            Step::Attention { x, attention, .. } => format!("attention({}{})", name(x), form(attention)),
            Step::Add { x, y, .. } => format!("{} + {}", name(x), name(y)),
            Step::NeuronScores { layer, x } => format!("neuron_scores({}, layer {layer})", name(x)),
            Step::Pool { x, tap } => format!("pool({}, tap {tap})", name(x)),
            Step::PoolGrad { tap, add, .. } => format!("pool_grad(tap {tap}){}", plus(add)),
            Step::LinearGrad { d_out, weight, epilogue, .. } => {
                format!("linear_grad({}, {}){}", name(d_out), self.part(weight), self.epilogue(epilogue))
            }
            Step::NormGrad { d_out, x, stats, norm, add, .. } => {
                format!("norm_grad({}, {}, {}, {}){}", name(d_out), name(x), name(stats), self.part(norm.gamma), plus(add))
            }
            Step::ActivationGrad { function, d_out, x, .. } => format!("{} {function}'({})", name(d_out), name(x)),
            Step::GateGrad { function, d_out, x, .. } => format!("gate_grad({}, {}, {function})", name(d_out), name(x)),
            Step::AttentionGrad { d_out, x, lse, attention, .. } => {
                format!("attention_grad({}, {}, {}{})", name(d_out), name(x), name(lse), form(attention))
            }
            Step::PrefixGrad { layer, x, .. } => format!("prefix_grad({}, layer {layer})", name(x)),
            Step::InputGrad { all, prompt } => {
                let parts: Vec<_> = all.into_iter().chain(prompt).map(name).collect();
                format!("input_grad({})", parts.join(", "))
            }
        };
        let outputs: Vec<_> = match *step {
            // The argument of a fused function is named in its epilogue.
            Step::Linear { out, .. } => vec![name(out)],
            _ => step.outputs().map(name).collect(),
        };
        (outputs.join(", "), text)
    }
}

impl fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan;
        writeln!(f, "forward")?;
        for (title, steps) in [("", &plan.forward), ("backward", &plan.backward)] {
            if !title.is_empty() && !steps.is_empty() {
                writeln!(f, "{title}")?;
            }
            for step in steps {
                match self.step(step) {
                    (outputs, text) if outputs.is_empty() => writeln!(f, "  {text}")?,
                    (outputs, text) => writeln!(f, "  {outputs} = {text}")?,
                }
            }
        }
        writeln!(f, "buffers: {:?} elements a row", plan.slots)
    }
}
