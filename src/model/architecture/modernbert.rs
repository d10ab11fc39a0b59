//! ModernBERT (Warner et al. 2024, arXiv 2412.13663), Ettin and Granite-embedding r2: norms before the parts of a layer, rotary
//! positions, gated feed-forward blocks, and a sliding window in most layers.

use serde_json::Value as Json;

use super::fields::{Fields, positive, wrong};
use super::writer::Writer;
use super::{Architecture, Sizes};
use crate::error::Result;
use crate::program::{Activation, Attention};

/// What a layer sees.
struct Sight {
    theta: f64,
    window: Option<usize>,
}

pub(super) fn modernbert(fields: &Fields<'_>) -> Result<Architecture> {
    let hidden = fields.size("hidden_size", 1 << 16)?;
    let heads = fields.heads(("hidden_size", hidden), "num_attention_heads")?;
    let (layers, ffn) = (fields.size("num_hidden_layers", 1000)?, fields.size("intermediate_size", 1 << 18)?);
    let (vocab, positions) = (fields.size("vocab_size", 1 << 24)?, fields.size("max_position_embeddings", 1 << 20)?);
    let eps = fields.epsilon("norm_eps", 1e-5)?;
    let shift = fields.flag("norm_bias", false)?;
    let (attention_bias, ffn_bias) = (fields.flag("attention_bias", false)?, fields.flag("mlp_bias", false)?);
    let activation = fields.activation("hidden_activation", Activation::Gelu)?;
    Fields::addressable(hidden, &[("vocab_size", vocab), ("intermediate_size", 2 * ffn), ("hidden_size", 3 * hidden)])?;
    let mut writer = Writer::default();
    let word = writer.table("word", (vocab, hidden), "embeddings.tok_embeddings.weight");
    let norm = writer.norm_of("embed_norm", hidden, eps, shift, "embeddings.norm");
    let embed = writer.embed(word, None, norm);
    let mut h = embed.out;
    let mut states = vec![h];
    for (number, Sight { theta, window }) in sights(fields, layers)?.into_iter().enumerate() {
        writer.scope(number);
        let (part, at) = (|part: &str| format!("{number}.{part}"), |name: &str| format!("layers.{number}.{name}"));
        // The embeddings have just been normalised.
        let mut x = h;
        if number > 0 {
            let norm = writer.norm_of(&part("attention_norm"), hidden, eps, shift, &at("attn_norm"));
            x = writer.norm("x", h, norm);
        }
        let qkv = writer.linear_of("qkv", x, &part("qkv"), 3 * hidden, attention_bias, &[at("attn.Wqkv")]);
        let turned = writer.rotate("turned", qkv, heads, theta);
        let attention = Attention { heads, head_size: hidden / heads, bias: None, window };
        let context = writer.attention("context", turned, attention);
        let out = writer.linear_of("attention", context, &part("attention_out"), hidden, attention_bias, &[at("attn.Wo")]);
        let middle = writer.add("middle", out, h);
        let norm = writer.norm_of(&part("ffn_norm"), hidden, eps, shift, &at("mlp_norm"));
        let x = writer.norm("y", middle, norm);
        let inner = writer.linear_of("u", x, &part("ffn_in"), 2 * ffn, ffn_bias, &[at("mlp.Wi")]);
        let active = writer.gate("neurons", inner, activation);
        let out = writer.linear_of("ffn", active, &part("ffn_out"), hidden, ffn_bias, &[at("mlp.Wo")]);
        h = writer.add("h", out, middle);
        if number + 1 == layers {
            let norm = writer.norm_of("final_norm", hidden, eps, shift, "final_norm");
            h = writer.norm("final", h, norm);
        }
        states.push(h);
    }
    let sizes = Sizes { layers, hidden, heads, ffn };
    Ok(writer.finish("modernbert", &["model."], (embed, states, positions), sizes))
}

/// The angles' base and the window of every layer, in the notation of transformers 5 or in the older one of the files on the hub.
fn sights(fields: &Fields<'_>, layers: usize) -> Result<Vec<Sight>> {
    let window = fields.size_or("local_attention", 1 << 20, 128)? / 2;
    let every = fields.size_or("global_attn_every_n_layers", 1000, 3)?;
    let global = match fields.get("layer_types").map(Json::as_array) {
        None => (0..layers).map(|layer| layer.is_multiple_of(every)).collect(),
        Some(Some(kinds)) if kinds.len() == layers => kinds
            .iter()
            .map(|kind| match kind.as_str() {
                Some("full_attention") => Ok(true),
                Some("sliding_attention") => Ok(false),
                _ => Err(fields.unsupported("layer_types", "a list of \"full_attention\" and \"sliding_attention\"")),
            })
            .collect::<Result<Vec<_>>>()?,
        Some(_) => return Err(wrong(format!("config.json: \"layer_types\" does not list {layers} layers"))),
    };
    fields.only("rope_scaling", &Json::Null)?;
    let theta = |kind: &str, old: &str, default: f64| {
        let Some(rope) = fields.get("rope_parameters").and_then(|rope| rope.get(kind)).filter(|rope| !rope.is_null()) else {
            return fields.positive_or(old, default);
        };
        if rope.get("rope_type").is_some_and(|kind| kind != "default") {
            return Err(fields.unsupported("rope_parameters", "the rope_type \"default\""));
        }
        rope.get("rope_theta").map_or(fields.positive_or(old, default), |theta| positive("rope_theta", theta))
    };
    let full = theta("full_attention", "global_rope_theta", 160_000.0)?;
    let sliding = theta("sliding_attention", "local_rope_theta", 10_000.0)?;
    let sight =
        |global| if global { Sight { theta: full, window: None } } else { Sight { theta: sliding, window: Some(window) } };
    Ok(global.into_iter().map(sight).collect())
}
