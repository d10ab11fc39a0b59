//! ALBERT (Lan et al. 2020, arXiv 1909.11942): narrow word embeddings, and the same weights in many layers.

use super::fields::{Fields, wrong};
use super::post_norm::{Layer, Tensors};
use super::writer::Writer;
use super::{Architecture, Sizes, Source};
use crate::error::Result;
use crate::program::{Activation, Attention};

const TENSORS: Tensors = Tensors {
    query_key_value: ["attention.query", "attention.key", "attention.value"],
    attention_out: "attention.dense",
    attention_norm: "attention.LayerNorm",
    ffn_in: "ffn",
    ffn_out: "ffn_output",
    ffn_norm: "full_layer_layer_norm",
};

pub(super) fn albert(fields: &Fields<'_>) -> Result<Architecture> {
    fields.only("position_embedding_type", &"absolute".into())?;
    let hidden = fields.size("hidden_size", 1 << 16)?;
    let embedding = fields.size_or("embedding_size", 1 << 16, 128)?;
    let heads = fields.heads(("hidden_size", hidden), "num_attention_heads")?;
    let (layers, ffn) = (fields.size("num_hidden_layers", 1000)?, fields.size("intermediate_size", 1 << 18)?);
    let (vocab, positions) = (fields.size("vocab_size", 1 << 24)?, fields.size("max_position_embeddings", 1 << 20)?);
    let groups = fields.size_or("num_hidden_groups", 1000, 1)?;
    let inner = fields.size_or("inner_group_num", 1000, 1)?;
    if groups > layers {
        return Err(wrong(format!("config.json: \"num_hidden_groups\" is {groups}, but there are {layers} layers")));
    }
    let eps = fields.epsilon("layer_norm_eps", 1e-12)?;
    Fields::addressable(
        hidden.max(embedding),
        &[("vocab_size", vocab), ("max_position_embeddings", positions), ("intermediate_size", ffn), ("hidden_size", 3 * hidden)],
    )?;
    let mut writer = Writer::default();
    let word = writer.table("word", (vocab, embedding), "embeddings.word_embeddings.weight");
    let source = Source::Positions {
        table: "embeddings.position_embeddings.weight".into(),
        skip: 0,
        types: Some("embeddings.token_type_embeddings.weight".into()),
    };
    let position = writer.weight("position", (positions, embedding), source);
    let norm = writer.norm_of("embed_norm", embedding, eps, true, "embeddings.LayerNorm");
    let embed = writer.embed(word, Some(position), norm);
    let project = ["encoder.embedding_hidden_mapping_in".to_owned()];
    let mut h = writer.linear_of("h", embed.out, "embed_project", hidden, true, &project);
    let attention = Attention { heads, head_size: hidden / heads, bias: None, window: None };
    let layer = Layer { hidden, ffn, eps, activation: fields.activation("hidden_act", Activation::GeluTanh)?, attention };
    let mut states = vec![h];
    for number in 0..layers {
        let group = number * groups / layers;
        for part in 0..inner {
            writer.scope(if inner == 1 { number.to_string() } else { format!("{number}.{part}") });
            let path = format!("encoder.albert_layer_groups.{group}.albert_layers.{part}");
            h = layer.write(&mut writer, h, &format!("group.{group}.{part}"), &path, &TENSORS);
        }
        states.push(h);
    }
    let sizes = Sizes { layers, hidden, heads, ffn };
    Ok(writer.finish("albert", &["albert."], (embed, states, positions), sizes))
}
