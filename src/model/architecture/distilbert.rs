//! DistilBERT (Sanh et al. 2019, arXiv 1910.01108): BERT's layers under other names, without token types.

use super::fields::Fields;
use super::post_norm::{Layer, Tensors};
use super::writer::Writer;
use super::{Architecture, Sizes, Source};
use crate::error::Result;
use crate::program::{Activation, Attention};

const TENSORS: Tensors = Tensors {
    query_key_value: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    attention_out: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    ffn_in: "ffn.lin1",
    ffn_out: "ffn.lin2",
    ffn_norm: "output_layer_norm",
};

/// Epsilon of every norm; it is not in the configuration.
const EPS: f64 = 1e-12;

pub(super) fn distilbert(fields: &Fields<'_>) -> Result<Architecture> {
    let hidden = fields.size("dim", 1 << 16)?;
    let heads = fields.heads(("dim", hidden), "n_heads")?;
    let (layers, ffn) = (fields.size("n_layers", 1000)?, fields.size("hidden_dim", 1 << 18)?);
    let (vocab, positions) = (fields.size("vocab_size", 1 << 24)?, fields.size("max_position_embeddings", 1 << 20)?);
    Fields::addressable(
        hidden,
        &[("vocab_size", vocab), ("max_position_embeddings", positions), ("hidden_dim", ffn), ("dim", 3 * hidden)],
    )?;
    let mut writer = Writer::default();
    let word = writer.table("word", (vocab, hidden), "embeddings.word_embeddings.weight");
    let source = Source::Positions { table: "embeddings.position_embeddings.weight".into(), skip: 0, types: None };
    let position = writer.weight("position", (positions, hidden), source);
    let norm = writer.norm_of("embed_norm", hidden, EPS, true, "embeddings.LayerNorm");
    let embed = writer.embed(word, Some(position), norm);
    let attention = Attention { heads, head_size: hidden / heads, bias: None, window: None };
    let layer = Layer { hidden, ffn, eps: EPS, activation: fields.activation("activation", Activation::Gelu)?, attention };
    let states = layer.stack(&mut writer, embed.out, layers, "transformer.layer", &TENSORS);
    let sizes = Sizes { layers, hidden, heads, ffn };
    Ok(writer.finish("distilbert", &["distilbert."], (embed, states, positions), sizes))
}
