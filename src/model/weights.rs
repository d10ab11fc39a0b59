//! The hub's `model.safetensors` -> [`EncoderWeights`]. Tensor names follow the module structure; there is no table of names.

use std::collections::BTreeSet;

use super::foreign::{self, Meant};
use super::spec::{EncoderSpec, EncoderWeights, LayerWeights, LinearWeights, NormWeights};
use crate::error::{Error, Result};
use crate::tensors::Tensors;

/// The tensor of the word embeddings in every encoder of the family.
const WORDS: &str = "embeddings.word_embeddings.weight";
/// Families with BERT's tensor names but another computation: their positions begin at 2, or their attention differs.
const OTHERS: [&str; 4] = ["roberta", "xlm_roberta", "camembert", "longformer"];

/// Reads all weights of an encoder, in f64, f32, f16 or bf16. Names may have a prefix, such as `bert.` in task models or
/// `0.auto_model.` in sentence encoders; norms may have their old names `gamma` and `beta`. Tensors that are not needed are
/// ignored.
///
/// # Errors
/// [`Error::Model`] with the full name of a tensor that is missing, has another shape (both are named) or data type, or contains
/// a non-finite number.
pub fn load(spec: EncoderSpec, bytes: &[u8]) -> Result<EncoderWeights> {
    read(spec, bytes).map(|(weights, _)| weights)
}

/// [`load`], with notes on the file.
///
/// # Errors
/// As [`load`].
pub(crate) fn read(spec: EncoderSpec, bytes: &[u8]) -> Result<(EncoderWeights, Vec<String>)> {
    if let Some((what, hint)) = foreign::recognise(bytes, Meant::Safetensors) {
        return Err(Error::model(format!("model.safetensors {what}"), hint));
    }
    let tensors = Tensors::parse(bytes).map_err(|problem| {
        Error::model(format!("model.safetensors cannot be read: {problem}"), "download the complete file again")
    })?;
    let names = tensors.names();
    let prefix = prefix(&names)?;
    let notes = unused_layers(&names, prefix, spec.layers).into_iter().collect();
    let root = Path { tensors: &tensors, path: prefix.to_owned() };
    let (d, f) = (spec.hidden, spec.ffn);

    let embeddings = root.at("embeddings");
    let word = embeddings.tensor("word_embeddings.weight", &[spec.vocab, d])?;
    let mut position = embeddings.tensor("position_embeddings.weight", &[spec.max_positions, d])?;
    // Every input is a single text, so all its rows, including prompt rows, have token type 0: one sum for both embeddings.
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
    Ok((EncoderWeights { spec, word: word.into(), position, embed_norm, layers, pooler }, notes))
}

/// The common prefix of the encoder's tensor names.
fn prefix(names: &[String]) -> Result<&str> {
    let prefixes = names.iter().filter_map(|name| name.strip_suffix(WORDS));
    let prefixes: BTreeSet<&str> = prefixes.filter(|prefix| prefix.is_empty() || prefix.ends_with('.')).collect();
    let mut all = prefixes.iter();
    match (all.next(), all.next()) {
        (Some(prefix), None) => {
            let family = prefix.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
            if !OTHERS.contains(&family) {
                return Ok(prefix);
            }
            let problem = format!(
                "model.safetensors has the weights of another family: its tensor names begin with \"{prefix}\", but config.json says BERT"
            );
            Err(Error::model(problem, "use the config.json from the same place as the weights; that family is not supported"))
        }
        (Some(_), Some(_)) => {
            let quoted: Vec<_> = prefixes.iter().map(|prefix| format!("\"{prefix}\"")).collect();
            let problem =
                format!("model.safetensors contains {} encoders: tensor names begin with {}", quoted.len(), quoted.join(" and "));
            Err(Error::model(problem, "save one of them with its save_pretrained, in a separate folder"))
        }
        (None, _) => Err(Error::Model {
            problem: format!("model.safetensors: tensor \"{WORDS}\" is missing, with any prefix; {}", listed(names)),
            hint: "use a BERT encoder with the tensor names of transformers (embeddings.…, encoder.layer.0.…)".into(),
            tensor: Some(WORDS.to_owned()),
        }),
    }
}

/// `it has "a", "b" and 12 more`.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let quoted: Vec<_> = names.iter().take(SHOWN).map(|name| format!("\"{name}\"")).collect();
    match names.len() {
        0 => "it has no tensors".to_owned(),
        n if n <= SHOWN => format!("it has {}", quoted.join(", ")),
        n => format!("it has {} and {} more", quoted.join(", "), n - SHOWN),
    }
}

/// A note if the file has more layers than config.json states.
fn unused_layers(names: &[String], prefix: &str, layers: usize) -> Option<String> {
    let start = format!("{prefix}encoder.layer.");
    let number = |name: &String| name.strip_prefix(&start)?.split_once('.')?.0.parse::<usize>().ok();
    let found = names.iter().filter_map(number).max()?.saturating_add(1);
    (found > layers)
        .then(|| format!("model.safetensors has {found} layers, config.json states {layers}: the lowest {layers} are used"))
}

/// A position in the tree of tensor names.
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
            hint: self.hint(&name, shape, &problem),
            problem: format!("model.safetensors: {problem}"),
            tensor: Some(name),
        })
    }

    /// What to do about a tensor that could not be read.
    fn hint(&self, name: &str, shape: &[usize], problem: &str) -> String {
        const SAME: &str = "config.json and model.safetensors must be of the same model";
        let Some(found) = self.tensors.shape(name) else {
            let names = self.tensors.names();
            let has = |part: &str| names.iter().any(|name| name.contains(part));
            if has(".lora_A.") || has(".base_layer.") {
                return "merge the LoRA adapter first (merge_and_unload of PEFT), and save the result".into();
            }
            if has("encoder.layers.") || has(".query_proj.") || has(".Wqkv.") {
                return "its tensor names are not those of transformers: use the encoder as saved by transformers".into();
            }
            return SAME.into();
        };
        if found != shape {
            // Padded embeddings or added tokens: everything else fits.
            let field = [(WORDS, "vocab_size"), ("embeddings.position_embeddings.weight", "max_position_embeddings")];
            let field = field.into_iter().find(|(table, _)| name.ends_with(table) && found.len() == 2 && found[1] == shape[1]);
            return match field {
                Some((_, field)) => format!("{SAME}; if they are, config.json should state \"{field}\": {}", found[0]),
                None => SAME.into(),
            };
        }
        if problem.contains("data type") {
            return "use the encoder in full or half precision (float32, float16, bfloat16), not a quantised one".into();
        }
        "the file is damaged, or was saved from a run that diverged: download it again, or use another version".into()
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let mut out = Vec::new();
        self.append(name, shape, &mut out)?;
        Ok(out)
    }

    /// The first row of a table with any number of rows.
    fn first_row(&self, name: &str, width: usize) -> Result<Vec<f32>> {
        let rows = self.tensors.shape(&format!("{}{name}", self.path)).and_then(<[usize]>::first).map_or(1, |&rows| rows.max(1));
        let mut table = self.tensor(name, &[rows, width])?;
        table.truncate(width);
        Ok(table)
    }

    /// Linear layers with the same input, concatenated.
    fn linear(&self, names: &[&str], rows: usize, columns: usize) -> Result<LinearWeights> {
        let mut linear = LinearWeights { weight: Vec::new(), bias: Vec::new() };
        for name in names {
            self.append(&format!("{name}.weight"), &[rows, columns], &mut linear.weight)?;
            self.append(&format!("{name}.bias"), &[rows], &mut linear.bias)?;
        }
        Ok(linear)
    }

    fn norm(&self, name: &str, size: usize) -> Result<NormWeights> {
        // Checkpoints converted from TensorFlow use its names.
        let old = self.has(&format!("{name}.gamma")) && !self.has(&format!("{name}.weight"));
        let (gamma, beta) = if old { ("gamma", "beta") } else { ("weight", "bias") };
        Ok(NormWeights {
            gamma: self.tensor(&format!("{name}.{gamma}"), &[size])?,
            beta: self.tensor(&format!("{name}.{beta}"), &[size])?,
        })
    }
}
