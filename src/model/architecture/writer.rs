//! Writes a program together with the sources of its weights.

use std::ops::{Deref, DerefMut};

use super::{Architecture, Sizes, Source};
use crate::program::{Builder, Embed, Norm, Value, Weight};

/// A [`Builder`] that remembers where each weight is.
#[derive(Default)]
pub(super) struct Writer {
    builder: Builder,
    sources: Vec<Source>,
}

impl Deref for Writer {
    type Target = Builder;

    fn deref(&self) -> &Builder {
        &self.builder
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut Builder {
        &mut self.builder
    }
}

impl Writer {
    /// A weight with its source; the same name is the same weight.
    pub(super) fn weight(&mut self, name: &str, (rows, columns): (usize, usize), source: Source) -> Weight {
        let weight = self.builder.weight(name, rows, columns);
        if weight.index() == self.sources.len() {
            self.sources.push(source);
        }
        weight
    }

    /// A table `[rows, columns]` from one tensor.
    pub(super) fn table(&mut self, name: &str, shape: (usize, usize), tensor: &str) -> Weight {
        self.weight(name, shape, Source::Rows(vec![tensor.to_owned()]))
    }

    /// A norm `name` from the tensors `tensor.weight` and, if `shift`, `tensor.bias`.
    pub(super) fn norm_of(&mut self, name: &str, size: usize, eps: f64, shift: bool, tensor: &str) -> Norm {
        let gamma = self.table(&format!("{name}.gamma"), (1, size), &format!("{tensor}.weight"));
        let beta = shift.then(|| self.table(&format!("{name}.beta"), (1, size), &format!("{tensor}.bias")));
        Norm { gamma, beta, eps }
    }

    /// The product `value = x W^T + b` by the weights `layer`, with `outputs` rows from the tensors `tensors`, one below the other.
    pub(super) fn linear_of(
        &mut self,
        value: &str,
        x: Value,
        layer: &str,
        outputs: usize,
        bias: bool,
        tensors: &[String],
    ) -> Value {
        let columns = self.width(x);
        let rows = |end: &str| Source::Rows(tensors.iter().map(|tensor| format!("{tensor}.{end}")).collect());
        self.weight(&format!("{layer}.weight"), (outputs, columns), rows("weight"));
        if bias {
            self.weight(&format!("{layer}.bias"), (1, outputs), rows("bias"));
        }
        self.builder.linear(value, x, layer, outputs, bias)
    }

    pub(super) fn finish(
        self,
        family: &'static str,
        prefixes: &'static [&'static str],
        (embed, hidden, max_positions): (Embed, Vec<Value>, usize),
        sizes: Sizes,
    ) -> Architecture {
        let program = self.builder.finish(family, embed, hidden, max_positions);
        Architecture { program, sources: self.sources, prefixes, sizes }
    }
}
