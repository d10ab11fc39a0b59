//! Chooses the files of an encoder in a folder, natively and in the page. It only receives names and reads nothing.

use std::collections::BTreeMap;

use serde::Serialize;

use super::foreign::CONVERT;
use crate::error::{Error, Result};

/// The configuration of the encoder.
pub(crate) const CONFIG: &str = "config.json";
/// The complete tokenizer.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// The vocabulary, one token per line, for folders without a [`TOKENIZER`].
pub(crate) const VOCABULARY: &str = "vocab.txt";
/// Settings of the tokenizer class.
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// Tokens that were added to a [`VOCABULARY`].
pub(crate) const ADDED_TOKENS: &str = "added_tokens.json";
/// The weights.
pub(crate) const WEIGHTS: &str = "model.safetensors";

/// The files of an encoder, as paths below the given folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct FolderChoice {
    /// The folder that contains them; empty for the given folder.
    pub folder: String,
    /// `config.json`.
    pub config: String,
    /// `tokenizer.json`, or the `vocab.txt` that is converted to one.
    pub tokenizer: String,
    /// `tokenizer_config.json`, if it exists.
    pub tokenizer_config: Option<String>,
    /// `added_tokens.json`, if it exists and belongs to a `vocab.txt`.
    pub added_tokens: Option<String>,
    /// The weights, or their shards in order.
    pub weights: Vec<String>,
}

impl FolderChoice {
    /// All paths.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let optional = [self.tokenizer_config.as_deref(), self.added_tokens.as_deref()].into_iter().flatten();
        [self.config.as_str(), &self.tokenizer].into_iter().chain(optional).chain(self.weights.iter().map(String::as_str))
    }
}

/// Chooses among the paths of all files in and below a folder, separated by `/`: the topmost folder that contains everything an
/// encoder needs.
///
/// # Errors
/// [`Error::Model`] with what is missing, what was found instead, and what to do.
pub fn choose(paths: &[String]) -> Result<FolderChoice> {
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in paths {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        folders.entry(folder).or_default().push(name);
    }
    let depth = |folder: &str| if folder.is_empty() { 0 } else { 1 + folder.matches('/').count() };
    let parts = |names: &Vec<&str>| {
        usize::from(names.contains(&CONFIG)) + usize::from(tokenizer(names).is_ok()) + usize::from(weights(names).is_ok())
    };
    let highest = folders.iter().filter(|(_, names)| parts(names) == 3).map(|(folder, _)| depth(folder)).min();
    let whole: Vec<_> = folders.iter().filter(|(folder, names)| parts(names) == 3 && Some(depth(folder)) == highest).collect();
    match whole[..] {
        [(folder, names)] => chosen(folder, names).map_err(|error| located(folder, error)),
        [(one, _), (other, _), ..] => Err(Error::model(
            format!("this folder contains {} encoders, such as {one} and {other}", whole.len()),
            "give the folder of one of them",
        )),
        // Of incomplete folders, the one that lacks the least, and of those the topmost.
        [] => match folders.iter().min_by_key(|(folder, names)| (3 - parts(names), depth(folder))) {
            Some((folder, names)) => chosen(folder, names).map_err(|error| located(folder, error)),
            None => Err(Error::model("the folder contains no files", HOLDS)),
        },
    }
}

const HOLDS: &str =
    "an encoder's folder contains config.json, tokenizer.json (or vocab.txt) and model.safetensors (or its shards)";

/// Prefixes the error with the folder, unless it is the given one.
fn located(folder: &str, error: Error) -> Error {
    if folder.is_empty() { error } else { error.of_model(folder) }
}

fn chosen(folder: &str, names: &[&str]) -> Result<FolderChoice> {
    let at = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let there = |name: &str| names.contains(&name).then(|| at(name));
    let config = there(CONFIG).ok_or_else(|| without_config(names))?;
    // The weights first: a folder without them usually lacks more.
    let weights = weights(names)?.into_iter().map(|name| at(&name)).collect();
    let tokenizer = at(tokenizer(names)?);
    let added_tokens = there(ADDED_TOKENS).filter(|_| tokenizer.ends_with(VOCABULARY));
    Ok(FolderChoice {
        folder: folder.to_owned(),
        config,
        tokenizer,
        tokenizer_config: there(TOKENIZER_CONFIG),
        added_tokens,
        weights,
    })
}

/// Command that writes a tokenizer.json from any tokenizer.
const WRITE_TOKENIZER: &str = "write one: `python -c \"from transformers import AutoTokenizer as T; T.from_pretrained('.').save_pretrained('.')\"` in the folder";

fn without_config(names: &[&str]) -> Error {
    // Files that may exist instead, what they mean, and what to do.
    let known = [
        (
            "adapter_config.json",
            "but an adapter_config.json: this is an adapter, not an encoder",
            "use the encoder that the adapter was trained for",
        ),
        ("bert_config.json", "but a bert_config.json", "rename bert_config.json to config.json"),
        (
            "params.json",
            "but a params.json: the weights are not in the layout of transformers",
            "use the encoder in the layout of transformers (config.json, tokenizer.json, model.safetensors)",
        ),
    ];
    match known.into_iter().find(|(name, ..)| names.contains(name)) {
        Some((_, what, hint)) => Error::model(format!("there is no {CONFIG} {what}"), hint),
        None => Error::model(format!("there is no {CONFIG}"), HOLDS),
    }
}

fn tokenizer(names: &[&str]) -> Result<&'static str> {
    if let Some(found) = [TOKENIZER, VOCABULARY].into_iter().find(|name| names.contains(name)) {
        return Ok(found);
    }
    let sentences = ["spiece.model", "sentencepiece.bpe.model", "tokenizer.model"];
    if let Some(model) = sentences.into_iter().find(|name| names.contains(name)) {
        return Err(Error::model(format!("there is no {TOKENIZER}, only {model}, a SentencePiece model"), WRITE_TOKENIZER));
    }
    if names.contains(&"vocab.json") {
        let problem = format!("there is no {TOKENIZER} and no {VOCABULARY}, only a vocab.json, as for RoBERTa");
        return Err(Error::model(problem, WRITE_TOKENIZER));
    }
    let problem = format!("there is no {TOKENIZER} and no {VOCABULARY}");
    Err(Error::model(problem, "use the tokenizer.json from the same place as the weights"))
}

/// Names of the weights: one file, or all shards in order.
fn weights(names: &[&str]) -> Result<Vec<String>> {
    if names.contains(&WEIGHTS) {
        return Ok(vec![WEIGHTS.to_owned()]);
    }
    let mut shards: Vec<Shard<'_>> = names.iter().filter_map(|name| Shard::of(name)).collect();
    if let Some(&Shard { stem, of, .. }) = shards.first() {
        shards.sort_by_key(|shard| shard.number);
        if shards.iter().any(|shard| shard.stem != stem || shard.of != of) {
            let hint = "remove the shards of the other models";
            return Err(Error::model("there are shards of several models", hint));
        }
        if let Some(missing) = (1..=of).find(|number| !shards.iter().any(|shard| shard.number == *number)) {
            let problem = format!(
                "there are {} of {of} shards of the weights; {} is missing",
                shards.len(),
                Shard::name(stem, missing, of)
            );
            return Err(Error::model(problem, "put all shards into the folder"));
        }
        return Ok(shards.iter().map(|shard| Shard::name(stem, shard.number, of)).collect());
    }
    let ends = |end: &str| names.iter().find(|name| name.ends_with(end)).copied();
    let stored: Vec<&str> =
        names.iter().filter(|name| name.ends_with(".safetensors") && !name.starts_with("adapter_")).copied().collect();
    match stored[..] {
        [one] => return Ok(vec![one.to_owned()]),
        [one, other, ..] => {
            let problem = format!("there is no {WEIGHTS} but several other .safetensors files, such as {one} and {other}");
            return Err(Error::model(problem, format!("rename the file with the weights to {WEIGHTS}")));
        }
        [] => {}
    }
    if names.contains(&"model.safetensors.index.json") {
        let problem =
            "there is a model.safetensors.index.json, but none of the shards that it lists (model-00001-of-0000N.safetensors)";
        return Err(Error::model(problem, "put all shards into the folder"));
    }
    let other = [".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack"].into_iter().find_map(ends);
    if let Some(other) = other.filter(|name| !name.starts_with("adapter_") && !name.starts_with("training_args")) {
        let problem = format!("there is no {WEIGHTS}, only {other}, which is not read (pickle files can run arbitrary code)");
        return Err(Error::model(problem, CONVERT));
    }
    let exported = [".onnx", ".gguf", ".tflite", ".mlmodel", ".ort"].into_iter().find_map(ends);
    Err(match exported {
        Some(other) => Error::model(
            format!("there is no {WEIGHTS}, only {other}, an export for inference"),
            "use the model that it was exported from, with its model.safetensors",
        ),
        None => Error::model(format!("there is no {WEIGHTS}"), HOLDS),
    })
}

/// The parts of a shard's name, such as `model-00001-of-00002.safetensors`.
struct Shard<'a> {
    stem: &'a str,
    number: usize,
    of: usize,
}

impl<'a> Shard<'a> {
    /// Limit on the number of shards, because a name may state any number.
    const MOST: usize = 1000;

    fn of(name: &'a str) -> Option<Self> {
        let (rest, of) = name.strip_suffix(".safetensors")?.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        let parse = |digits: &str| (digits.len() == 5).then(|| digits.parse::<usize>().ok()).flatten();
        let (number, of) = (parse(number)?, parse(of)?);
        (of <= Self::MOST && (1..=of).contains(&number)).then_some(Self { stem, number, of })
    }

    fn name(stem: &str, number: usize, of: usize) -> String {
        format!("{stem}-{number:05}-of-{of:05}.safetensors")
    }
}
