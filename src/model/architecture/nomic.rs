//! nomic-bert (Nussbaum et al. 2024, arXiv 2402.01613): BERT with rotary positions and SwiGLU, without biases. Its configuration is
//! written in GPT-2's names on the hub, and in BERT's by transformers 5.

use serde_json::Value as Json;

use super::fields::{Fields, positive};
use super::writer::Writer;
use super::{Architecture, Sizes, Source};
use crate::error::Result;
use crate::program::{Activation, Attention};

pub(super) fn nomic(fields: &Fields<'_>) -> Result<Architecture> {
    let old = fields.get("n_embd").is_some();
    let name = |new: &'static str, gpt: &'static str| if old { gpt } else { new };
    let [hidden_field, heads_field] = [name("hidden_size", "n_embd"), name("num_attention_heads", "n_head")];
    let hidden = fields.size(hidden_field, 1 << 16)?;
    let heads = fields.heads((hidden_field, hidden), heads_field)?;
    let layers = fields.size(name("num_hidden_layers", "n_layer"), 1000)?;
    let ffn = fields.size(name("intermediate_size", "n_inner"), 1 << 18)?;
    let vocab = fields.size("vocab_size", 1 << 24)?;
    let positions = fields.size(name("max_position_embeddings", "n_positions"), 1 << 20)?;
    let eps = fields.epsilon(name("layer_norm_eps", "layer_norm_epsilon"), 1e-12)?;
    for (field, supported) in [
        ("prenorm", Json::Bool(false)),
        ("parallel_block", false.into()),
        ("causal", false.into()),
        ("use_rms_norm", false.into()),
        ("qkv_proj_bias", false.into()),
        ("mlp_fc1_bias", false.into()),
        ("mlp_fc2_bias", false.into()),
        ("rotary_emb_interleaved", false.into()),
        ("rotary_emb_fraction", 1.0.into()),
        ("head_dim", (hidden / heads).into()),
    ] {
        // 1 and 1.0 are the same number.
        if fields.get(field).and_then(Json::as_f64) != supported.as_f64() || supported.is_boolean() {
            fields.only(field, &supported)?;
        }
    }
    let activation = match fields.get("activation_function").filter(|_| old) {
        Some(function) if function == "swiglu" => Activation::Silu,
        Some(_) => return Err(fields.unsupported("activation_function", "\"swiglu\"")),
        None => fields.activation("hidden_act", Activation::Silu)?,
    };
    let theta = match fields.get("rope_parameters").and_then(|rope| rope.get("rope_theta")) {
        Some(theta) => positive("rope_theta", theta)?,
        None => fields.positive_or("rotary_emb_base", 1000.0)?,
    };
    Fields::addressable(
        hidden,
        &[("vocab_size", vocab), (name("intermediate_size", "n_inner"), 2 * ffn), (hidden_field, 3 * hidden)],
    )?;
    let mut writer = Writer::default();
    let word = writer.table("word", (vocab, hidden), "embeddings.word_embeddings.weight");
    let kind = writer.weight("token_type", (1, hidden), Source::FirstRow("embeddings.token_type_embeddings.weight".into()));
    let norm = writer.norm_of("embed_norm", hidden, eps, true, "emb_ln");
    let embed = writer.embed(word, Some(kind), norm);
    let mut states = vec![embed.out];
    for number in 0..layers {
        writer.scope(number);
        let h = states[number];
        let (part, at) = (|part: &str| format!("{number}.{part}"), |name: &str| format!("encoder.layers.{number}.{name}"));
        let qkv = writer.linear_of("qkv", h, &part("qkv"), 3 * hidden, false, &[at("attn.Wqkv")]);
        let turned = writer.rotate("turned", qkv, heads, theta);
        let attention = Attention { heads, head_size: hidden / heads, bias: None, window: None };
        let context = writer.attention("context", turned, attention);
        let out = writer.linear_of("attention", context, &part("attention_out"), hidden, false, &[at("attn.out_proj")]);
        let sum = writer.add("x1", out, h);
        let norm = writer.norm_of(&part("attention_norm"), hidden, eps, true, &at("norm1"));
        let middle = writer.norm("middle", sum, norm);
        // The gate, whose activation is multiplied with the other half.
        let inner = writer.linear_of("u", middle, &part("ffn_in"), 2 * ffn, false, &[at("mlp.fc12"), at("mlp.fc11")]);
        let active = writer.gate("neurons", inner, activation);
        let out = writer.linear_of("ffn", active, &part("ffn_out"), hidden, false, &[at("mlp.fc2")]);
        let sum = writer.add("x2", out, middle);
        let norm = writer.norm_of(&part("ffn_norm"), hidden, eps, true, &at("norm2"));
        let h = writer.norm("h", sum, norm);
        states.push(h);
    }
    let sizes = Sizes { layers, hidden, heads, ffn };
    Ok(writer.finish("nomic_bert", &["nomic_bert."], (embed, states, positions), sizes))
}
