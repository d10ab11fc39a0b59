//! BERT, RoBERTa (with XLM-R and CamemBERT) and ELECTRA: the same layers and tensor names.

use super::fields::Fields;
use super::post_norm::{Layer, Tensors};
use super::writer::Writer;
use super::{Architecture, Sizes, Source};
use crate::error::Result;
use crate::model::spec::EncoderSpec;
use crate::program::{Activation, Attention};

const TENSORS: Tensors = Tensors {
    query_key_value: ["attention.self.query", "attention.self.key", "attention.self.value"],
    attention_out: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    ffn_in: "intermediate.dense",
    ffn_out: "output.dense",
    ffn_norm: "output.LayerNorm",
};

/// What differs within the file.
struct Family {
    name: &'static str,
    prefixes: &'static [&'static str],
    eps: f64,
    /// Rows of the position table before that of the first token.
    skip: usize,
    /// Width of the word embeddings.
    embedding: usize,
}

/// BERT. Positions are those of PEFT: prompt rows have the first ones.
pub(super) fn bert(fields: &Fields<'_>) -> Result<Architecture> {
    let embedding = fields.size("hidden_size", 1 << 16)?;
    write(fields, &Family { name: "bert", prefixes: &["bert."], eps: 1e-12, skip: 0, embedding })
}

/// RoBERTa (Liu et al. 2019, arXiv 1907.11692), XLM-R and CamemBERT: positions begin after that of the padding.
pub(super) fn roberta(fields: &Fields<'_>) -> Result<Architecture> {
    let embedding = fields.size("hidden_size", 1 << 16)?;
    let skip = fields.index_or("pad_token_id", 1)? + 1;
    let prefixes = &["roberta.", "xlm_roberta.", "camembert."];
    write(fields, &Family { name: "roberta", prefixes, eps: 1e-12, skip, embedding })
}

/// ELECTRA (Clark et al. 2020, arXiv 2003.10555): the embeddings may be narrower than the layers.
pub(super) fn electra(fields: &Fields<'_>) -> Result<Architecture> {
    let embedding = fields.size_or("embedding_size", 1 << 16, 128)?;
    write(fields, &Family { name: "electra", prefixes: &["electra."], eps: 1e-12, skip: 0, embedding })
}

fn write(fields: &Fields<'_>, family: &Family) -> Result<Architecture> {
    fields.only("position_embedding_type", &"absolute".into())?;
    let hidden = fields.size("hidden_size", 1 << 16)?;
    let spec = EncoderSpec {
        layers: fields.size("num_hidden_layers", 1000)?,
        hidden,
        heads: fields.heads(("hidden_size", hidden), "num_attention_heads")?,
        ffn: fields.size("intermediate_size", 1 << 18)?,
        vocab: fields.size("vocab_size", 1 << 24)?,
        max_positions: fields.size("max_position_embeddings", 1 << 20)?.saturating_sub(family.skip),
        layer_norm_eps: fields.epsilon("layer_norm_eps", family.eps)?,
    };
    let rows = [
        ("vocab_size", spec.vocab),
        ("max_position_embeddings", spec.max_positions + family.skip),
        ("intermediate_size", spec.ffn),
        ("hidden_size", 3 * hidden),
    ];
    Fields::addressable(hidden.max(family.embedding), &rows)?;
    Ok(compose(&spec, fields.activation("hidden_act", Activation::Gelu)?, family))
}

/// BERT with these sizes.
pub(super) fn of_spec(spec: &EncoderSpec) -> Architecture {
    let family = Family { name: "bert", prefixes: &["bert."], eps: spec.layer_norm_eps, skip: 0, embedding: spec.hidden };
    compose(spec, Activation::Gelu, &family)
}

fn compose(spec: &EncoderSpec, activation: Activation, family: &Family) -> Architecture {
    let &EncoderSpec { layers, hidden, heads, ffn, vocab, max_positions, layer_norm_eps: eps } = spec;
    let embedding = family.embedding;
    let mut writer = Writer::default();
    let word = writer.table("word", (vocab, embedding), "embeddings.word_embeddings.weight");
    let source = Source::Positions {
        table: "embeddings.position_embeddings.weight".into(),
        skip: family.skip,
        types: Some("embeddings.token_type_embeddings.weight".into()),
    };
    let position = writer.weight("position", (max_positions, embedding), source);
    let norm = writer.norm_of("embed_norm", embedding, eps, true, "embeddings.LayerNorm");
    let embed = writer.embed(word, Some(position), norm);
    let mut h = embed.out;
    if family.name == "electra" && embedding != hidden {
        h = writer.linear_of("h", h, "embed_project", hidden, true, &["embeddings_project".to_owned()]);
    }
    let attention = Attention { heads, head_size: hidden / heads, bias: None, window: None };
    let layer = Layer { hidden, ffn, eps, activation, attention };
    let states = layer.stack(&mut writer, h, layers, "encoder.layer", &TENSORS);
    let sizes = Sizes { layers, hidden, heads, ffn };
    writer.finish(family.name, family.prefixes, (embed, states, max_positions), sizes)
}
