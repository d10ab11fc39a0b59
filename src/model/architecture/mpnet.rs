//! MPNet (Song et al. 2020, arXiv 2004.09297): BERT's layers, with a bias for the distance of two rows, shared by all layers.
//!
//! Prompt rows are rows like all others, as where PEFT puts them in front: they have the first positions, and distances to them
//! are counted in rows.

use super::fields::Fields;
use super::post_norm::{Layer, Tensors};
use super::writer::Writer;
use super::{Architecture, Sizes, Source};
use crate::error::Result;
use crate::program::{Activation, Attention};

const TENSORS: Tensors = Tensors {
    query_key_value: ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
    attention_out: "attention.attn.o",
    attention_norm: "attention.LayerNorm",
    ffn_in: "intermediate.dense",
    ffn_out: "output.dense",
    ffn_norm: "output.LayerNorm",
};

/// From here on, all distances have the same bucket (T5: Raffel et al. 2020, arXiv 1910.10683, section 2.1).
const DISTANCE: usize = 128;

pub(super) fn mpnet(fields: &Fields<'_>) -> Result<Architecture> {
    fields.only("relative_attention_num_buckets", &32.into())?;
    let hidden = fields.size("hidden_size", 1 << 16)?;
    let heads = fields.heads(("hidden_size", hidden), "num_attention_heads")?;
    let (layers, ffn) = (fields.size("num_hidden_layers", 1000)?, fields.size("intermediate_size", 1 << 18)?);
    let (vocab, rows) = (fields.size("vocab_size", 1 << 24)?, fields.size("max_position_embeddings", 1 << 20)?);
    let eps = fields.epsilon("layer_norm_eps", 1e-12)?;
    Fields::addressable(
        hidden,
        &[("vocab_size", vocab), ("max_position_embeddings", rows), ("intermediate_size", ffn), ("hidden_size", 3 * hidden)],
    )?;
    let skip = fields.index_or("pad_token_id", 1)? + 1;
    let positions = rows.saturating_sub(skip);
    let mut writer = Writer::default();
    let word = writer.table("word", (vocab, hidden), "embeddings.word_embeddings.weight");
    let source = Source::Positions { table: "embeddings.position_embeddings.weight".into(), skip, types: None };
    let position = writer.weight("position", (positions, hidden), source);
    let norm = writer.norm_of("embed_norm", hidden, eps, true, "embeddings.LayerNorm");
    let source = Source::Buckets { table: "encoder.relative_attention_bias.weight".into(), distance: DISTANCE };
    let bias = writer.weight("distance", (2 * DISTANCE + 1, heads), source);
    let embed = writer.embed(word, Some(position), norm);
    let attention = Attention { heads, head_size: hidden / heads, bias: Some(bias), window: None };
    let layer = Layer { hidden, ffn, eps, activation: fields.activation("hidden_act", Activation::Gelu)?, attention };
    let states = layer.stack(&mut writer, embed.out, layers, "encoder.layer", &TENSORS);
    let sizes = Sizes { layers, hidden, heads, ffn };
    Ok(writer.finish("mpnet", &["mpnet."], (embed, states, positions), sizes))
}
