//! A program as text, a line for each operation.

use std::fmt;

use super::{Attention, Norm, Operation, Program, Value, Weight};

impl Program {
    fn name(&self, value: Value) -> &str {
        &self.values[value.index()].name
    }

    fn weight_name(&self, weight: Weight) -> &str {
        &self.weights[weight.index()].name
    }

    /// The common part of a layer's weights: `3.qkv` of `3.qkv.weight`.
    fn part_name(&self, weight: Weight) -> &str {
        let name = self.weight_name(weight);
        name.rsplit_once('.').map_or(name, |(part, _)| part)
    }

    fn norm_text(&self, norm: Norm) -> String {
        let shift = if norm.beta.is_some() { "" } else { ", no shift" };
        format!("{}, eps {:e}{shift}", self.part_name(norm.gamma), norm.eps)
    }

    /// The right side of an operation.
    pub(crate) fn operation_text(&self, operation: &Operation) -> String {
        match *operation {
            Operation::Linear { x, weight, bias, .. } => {
                let bias = if bias.is_some() { "" } else { ", no bias" };
                format!("linear({}, {}{bias})", self.name(x), self.part_name(weight))
            }
            Operation::Norm { x, norm, .. } => format!("norm({}, {})", self.name(x), self.norm_text(norm)),
            Operation::Activation { function, x, .. } => format!("{function}({})", self.name(x)),
            Operation::Gate { function, x, .. } => format!("gate({}, {function})", self.name(x)),
            Operation::Rotate { x, theta, .. } => format!("rotate({}, theta {theta})", self.name(x)),
            Operation::Attention { x, attention: Attention { heads, bias, window, .. }, .. } => {
                let bias = bias.map_or_else(String::new, |bias| format!(", + {}", self.weight_name(bias)));
                let window = window.map_or_else(String::new, |window| format!(", window {window}"));
                format!("attention({}, {heads} heads{bias}{window})", self.name(x))
            }
            Operation::Add { x, y, .. } => format!("{} + {}", self.name(x), self.name(y)),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |value: Value, text: &str| writeln!(f, "{:<14} = {text:<60} [T, {}]", self.name(value), self.width(value));
        let position = self.embed.position.map_or_else(String::new, |table| format!(" + {}[place]", self.weight_name(table)));
        let sum = format!("{}[id]{position}", self.weight_name(self.embed.word));
        line(self.embed.out, &format!("norm({sum}, {})", self.norm_text(self.embed.norm)))?;
        for operation in &self.operations {
            line(operation.out(), &self.operation_text(operation))?;
        }
        Ok(())
    }
}
