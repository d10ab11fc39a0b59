//! The layer of BERT (Devlin et al. 2019, arXiv 1810.04805) and most of its relatives: a norm after each residual.

use super::writer::Writer;
use crate::program::{Activation, Attention, Value};

/// The sizes of a layer.
#[derive(Clone, Copy)]
pub(super) struct Layer {
    pub(super) hidden: usize,
    pub(super) ffn: usize,
    pub(super) eps: f64,
    pub(super) activation: Activation,
    pub(super) attention: Attention,
}

/// The tensors of a layer, below the layer's path.
pub(super) struct Tensors {
    pub(super) query_key_value: [&'static str; 3],
    pub(super) attention_out: &'static str,
    pub(super) attention_norm: &'static str,
    pub(super) ffn_in: &'static str,
    pub(super) ffn_out: &'static str,
    pub(super) ffn_norm: &'static str,
}

impl Layer {
    /// Layers one above the other, the tensors of layer N below `path.N`: the input of the lowest one, then the output of each.
    pub(super) fn stack(&self, writer: &mut Writer, first: Value, layers: usize, path: &str, tensors: &Tensors) -> Vec<Value> {
        let mut states = vec![first];
        for number in 0..layers {
            writer.scope(number);
            states.push(self.write(writer, states[number], &number.to_string(), &format!("{path}.{number}"), tensors));
        }
        states
    }

    /// One layer from `h`; its weights are called `weights.PART`, and its tensors begin with `path.`.
    pub(super) fn write(&self, writer: &mut Writer, h: Value, weights: &str, path: &str, tensors: &Tensors) -> Value {
        let &Self { hidden, ffn, eps, activation, attention } = self;
        let part = |part: &str| format!("{weights}.{part}");
        let at = |name: &str| format!("{path}.{name}");
        let attention_norm = at(tensors.attention_norm);
        let ffn_norm = at(tensors.ffn_norm);
        let qkv = writer.linear_of("qkv", h, &part("qkv"), 3 * hidden, true, &tensors.query_key_value.map(at));
        let context = writer.attention("context", qkv, attention);
        let out = writer.linear_of("attention", context, &part("attention_out"), hidden, true, &[at(tensors.attention_out)]);
        let sum = writer.add("x1", out, h);
        let norm = writer.norm_of(&part("attention_norm"), hidden, eps, true, &attention_norm);
        let middle = writer.norm("middle", sum, norm);
        let inner = writer.linear_of("u", middle, &part("ffn_in"), ffn, true, &[at(tensors.ffn_in)]);
        let active = writer.activation("neurons", inner, activation);
        let out = writer.linear_of("ffn", active, &part("ffn_out"), hidden, true, &[at(tensors.ffn_out)]);
        let sum = writer.add("x2", out, middle);
        let norm = writer.norm_of(&part("ffn_norm"), hidden, eps, true, &ffn_norm);
        writer.norm("h", sum, norm)
    }
}
