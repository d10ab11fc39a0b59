//! An encoder's weights in half precision, which halves the size of a download.

use super::spec::{EncoderWeights, LinearWeights, NormWeights};
use crate::error::{Error, Result};
use crate::tensors::{self, HalfTensor};

/// The weights as a `model.safetensors` of f16, which [`super::weights::load`] reads. As in `weights`, the token type embedding
/// is included in the position embeddings.
///
/// # Errors
/// [`Error::Model`] with the tensor that contains a number too large for f16.
pub fn write(weights: &EncoderWeights) -> Result<Vec<u8>> {
    let spec = &weights.spec;
    let (d, f) = (spec.hidden, spec.ffn);
    let none = vec![0.0; d];
    let mut parts: Vec<HalfTensor<'_>> = Vec::new();
    let mut add = |name: String, shape: Vec<usize>, values| parts.push(HalfTensor { name, shape, values });
    add("embeddings.word_embeddings.weight".into(), vec![spec.vocab, d], &weights.word);
    add("embeddings.position_embeddings.weight".into(), vec![spec.max_positions, d], &weights.position);
    add("embeddings.token_type_embeddings.weight".into(), vec![1, d], &none);
    let mut norms: Vec<(String, &NormWeights)> = vec![("embeddings.LayerNorm".into(), &weights.embed_norm)];
    let mut linears: Vec<(String, &LinearWeights, usize, usize)> = Vec::new();
    for (layer, of) in weights.layers.iter().enumerate() {
        let at = |name: &str| format!("encoder.layer.{layer}.{name}");
        for (third, name) in ["query", "key", "value"].into_iter().enumerate() {
            let (weight, bias) = (&of.qkv.weight[third * d * d..][..d * d], &of.qkv.bias[third * d..][..d]);
            add(at(&format!("attention.self.{name}.weight")), vec![d, d], weight);
            add(at(&format!("attention.self.{name}.bias")), vec![d], bias);
        }
        linears.push((at("attention.output.dense"), &of.attention_out, d, d));
        linears.push((at("intermediate.dense"), &of.ffn_in, f, d));
        linears.push((at("output.dense"), &of.ffn_out, d, f));
        norms.push((at("attention.output.LayerNorm"), &of.attention_norm));
        norms.push((at("output.LayerNorm"), &of.ffn_norm));
    }
    linears.extend(weights.pooler.iter().map(|pooler| ("pooler.dense".to_owned(), pooler, d, d)));
    for (name, linear, rows, columns) in linears {
        add(format!("{name}.weight"), vec![rows, columns], &linear.weight);
        add(format!("{name}.bias"), vec![rows], &linear.bias);
    }
    for (name, norm) in norms {
        add(format!("{name}.weight"), vec![d], &norm.gamma);
        add(format!("{name}.bias"), vec![d], &norm.beta);
    }
    tensors::write_half(&parts).map_err(|problem| Error::model(problem, "use the encoder in full precision"))
}
