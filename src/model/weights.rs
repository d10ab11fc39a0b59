//! The hub's `model.safetensors` -> [`EncoderWeights`]. The weight path is the code path: no table of names.

use super::spec::{EncoderSpec, EncoderWeights, LayerWeights, LinearWeights, NormWeights};
use crate::error::{Error, Result};
use crate::tensors::Tensors;

/// Reads all weights of an encoder, in f32, f16 or bf16. Names are accepted with and without the prefix `bert.` of task
/// models, norms also under their old names `gamma` and `beta`; tensors that an encoder does not use are ignored.
///
/// # Errors
/// [`Error::Model`] with the full name of the tensor that is missing or has another shape (both shapes are named),
/// another data type, or an element that is no finite number.
pub fn load(spec: EncoderSpec, bytes: &[u8]) -> Result<EncoderWeights> {
    let tensors = Tensors::parse(bytes)
        .map_err(|problem| Error::model(format!("model.safetensors cannot be read: {problem}"), "fetch the file again, whole"))?;
    let prefix = if tensors.shape("bert.embeddings.word_embeddings.weight").is_some() { "bert." } else { "" };
    let root = Path { tensors: &tensors, path: prefix.to_owned() };
    let (d, f) = (spec.hidden, spec.ffn);

    let embeddings = root.at("embeddings");
    let word = embeddings.tensor("word_embeddings.weight", &[spec.vocab, d])?;
    let mut position = embeddings.tensor("position_embeddings.weight", &[spec.max_positions, d])?;
    // Every text is a single one, so its rows are all of type 0, and so are prompt rows: one sum for both.
    let kind = embeddings.first_row("token_type_embeddings.weight", d)?;
    for row in position.chunks_exact_mut(d) {
        row.iter_mut().zip(&kind).for_each(|(position, kind)| *position += kind);
    }
    let embed_norm = embeddings.norm("LayerNorm", d)?;

    let layers = (0..spec.layers).map(|layer| {
        let layer = root.at(&format!("encoder.layer.{layer}"));
        Ok(LayerWeights {
            qkv: layer.linear(&["attention.self.query", "attention.self.key", "attention.self.value"], d, d)?,
            attention_out: layer.linear(&["attention.output.dense"], d, d)?,
            attention_norm: layer.norm("attention.output.LayerNorm", d)?,
            ffn_in: layer.linear(&["intermediate.dense"], f, d)?,
            ffn_out: layer.linear(&["output.dense"], d, f)?,
            ffn_norm: layer.norm("output.LayerNorm", d)?,
        })
    });
    let layers = layers.collect::<Result<_>>()?;
    let pooler = root.has("pooler.dense.weight").then(|| root.linear(&["pooler.dense"], d, d)).transpose()?;
    Ok(EncoderWeights { spec, word: word.into(), position, embed_norm, layers, pooler })
}

/// A place in the tree of tensor names.
struct Path<'a> {
    tensors: &'a Tensors<'a>,
    path: String,
}

impl Path<'_> {
    fn at(&self, name: &str) -> Self {
        Self { tensors: self.tensors, path: format!("{}{name}.", self.path) }
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.shape(&format!("{}{name}", self.path)).is_some()
    }

    fn append(&self, name: &str, shape: &[usize], out: &mut Vec<f32>) -> Result<()> {
        let name = format!("{}{name}", self.path);
        self.tensors.append(&name, shape, out).map_err(|problem| Error::Model {
            problem: format!("model.safetensors: {problem}"),
            hint: "config.json and model.safetensors must be of the same model".into(),
            tensor: Some(name),
        })
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let mut out = Vec::new();
        self.append(name, shape, &mut out)?;
        Ok(out)
    }

    /// The first row of a table that may have any number of rows.
    fn first_row(&self, name: &str, width: usize) -> Result<Vec<f32>> {
        let rows = self.tensors.shape(&format!("{}{name}", self.path)).and_then(<[usize]>::first).map_or(1, |&rows| rows.max(1));
        let mut table = self.tensor(name, &[rows, width])?;
        table.truncate(width);
        Ok(table)
    }

    /// Linear maps of the same input, one below the other.
    fn linear(&self, names: &[&str], rows: usize, columns: usize) -> Result<LinearWeights> {
        let mut linear = LinearWeights { weight: Vec::new(), bias: Vec::new() };
        for name in names {
            self.append(&format!("{name}.weight"), &[rows, columns], &mut linear.weight)?;
            self.append(&format!("{name}.bias"), &[rows], &mut linear.bias)?;
        }
        Ok(linear)
    }

    fn norm(&self, name: &str, size: usize) -> Result<NormWeights> {
        // Checkpoints converted from TensorFlow keep its names.
        let old = self.has(&format!("{name}.gamma")) && !self.has(&format!("{name}.weight"));
        let (gamma, beta) = if old { ("gamma", "beta") } else { ("weight", "bias") };
        Ok(NormWeights {
            gamma: self.tensor(&format!("{name}.{gamma}"), &[size])?,
            beta: self.tensor(&format!("{name}.{beta}"), &[size])?,
        })
    }
}
