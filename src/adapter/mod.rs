//! [`Adapter`]: the result of a run, and its files. Bytes in, bytes out; the same content gives the same bytes.
//!
//! | file | content |
//! |---|---|
//! | `adapter_config.json` | PEFT's description: `PROMPT_TUNING` or `PREFIX_TUNING` if PEFT computes the same, otherwise `SOFTPROMPT`, which PEFT rejects |
//! | `adapter_model.safetensors` | `prompt_embeddings [P, D]`, `base_model.classifier.weight [C, D]`, `base_model.classifier.bias [C]`, f32; other methods' matrices as `softprompt.NAME` |
//! | `softprompt.json` | config, labels, metrics, versions, hashes; no texts of the data |
//! | `README.md` | the model card |
//! | `classify.py` | a Python program that classifies texts with the adapter, using torch and transformers |

pub(crate) mod archive;
mod card;
mod manifest;
mod peft;
mod script;
mod stored;

use serde::{Deserialize, Serialize};

use crate::config::{Method, RunConfig};
use crate::error::{Error, Result};
use crate::model::spec::EncoderSpec;
use crate::tensors::{self, Tensors};

/// PEFT's description of the adapter.
pub const CONFIG_FILE: &str = "adapter_config.json";
/// The tensors.
pub const TENSORS_FILE: &str = "adapter_model.safetensors";
/// Our own description.
pub const MANIFEST_FILE: &str = "softprompt.json";
/// The model card.
pub const CARD_FILE: &str = "README.md";
/// The Python program.
pub const SCRIPT_FILE: &str = "classify.py";

const PROMPT: &str = "prompt_embeddings";
const HEAD_WEIGHT: &str = "base_model.classifier.weight";
const HEAD_BIAS: &str = "base_model.classifier.bias";

/// Maximum size of an adapter in bytes.
const MAX_BYTES: usize = 256 << 20;

/// A trained prompt and head with everything that is needed to use them. C classes, P virtual tokens, D hidden size.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// The settings of the run. With [`crate::config::HeadKind::Mean`], [`crate::config::HeadKind::Text`] and
    /// [`crate::config::HeadKind::Cls`], features are multiplied by `head.feature_scale` before the linear layer; the weights are
    /// as trained.
    pub config: RunConfig,
    /// Class names, in the order of the head's rows: `[C]`.
    pub labels: Vec<String>,
    /// The matrices that the method stores: the prompt rows `[P, D]` as `prompt`, or what they are computed from; empty for
    /// [`Method::Probe`].
    pub stored: Vec<Matrix>,
    /// Weight of the head `[C, D]`; `[N C, D]` for an ensemble of N.
    pub head_weight: Vec<f32>,
    /// Bias of the head `[C]`; `[N C]` for an ensemble of N.
    pub head_bias: Vec<f32>,
    /// Held-out metrics; `None` in adapters from other programs.
    pub metrics: Option<AdapterMetrics>,
    /// The encoder that it was trained for.
    pub base_model: BaseModel,
    /// SHA-256 of the data; `None` in adapters from other programs.
    pub data_sha256: Option<String>,
}

/// A trained matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Its name in the method.
    pub name: String,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Row-major values.
    pub values: Vec<f32>,
}

impl Matrix {
    /// Its name in the tensors' file; PEFT's name if PEFT has it.
    fn tensor(&self) -> String {
        tensor_name(&self.name)
    }
}

fn tensor_name(name: &str) -> String {
    match name {
        "prompt" | "prefix" => PROMPT.to_owned(),
        other => format!("softprompt.{other}"),
    }
}

/// Metrics on the held-out set, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdapterMetrics {
    /// Share of correct predictions.
    pub accuracy: f64,
    /// Mean of the classes' F1 (macro-F1).
    pub macro_f1: f64,
    /// Accuracy of the linear probe on the same rows.
    pub probe_accuracy: f64,
    /// Accuracy of the majority class.
    pub majority_accuracy: f64,
    /// Optimizer steps up to the best step.
    pub steps: usize,
}

impl AdapterMetrics {
    /// The same metrics with 15 significant digits. Decimal numbers of that length read back exactly, so exporting, importing and
    /// exporting again gives the same bytes.
    #[must_use]
    pub fn rounded(self) -> Self {
        let round = |figure: f64| format!("{figure:.14e}").parse().unwrap_or(figure);
        Self {
            accuracy: round(self.accuracy),
            macro_f1: round(self.macro_f1),
            probe_accuracy: round(self.probe_accuracy),
            majority_accuracy: round(self.majority_accuracy),
            steps: self.steps,
        }
    }
}

/// The encoder of an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseModel {
    /// Its name on the hub.
    pub name: String,
    /// SHA-256 of its `model.safetensors`, if known.
    pub sha256: Option<String>,
    /// [`Tokenizer::sha256`](crate::text::tokenizer::Tokenizer::sha256), where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer_sha256: Option<String>,
    /// Layers L, if known.
    pub layers: Option<usize>,
    /// Attention heads H, if known.
    pub heads: Option<usize>,
    /// Hidden size D.
    pub hidden: usize,
}

impl BaseModel {
    /// The encoder `name` with these sizes and this SHA-256 of its weights.
    #[must_use]
    pub fn new(name: impl Into<String>, sha256: impl Into<String>, spec: &EncoderSpec) -> Self {
        let (layers, heads) = (Some(spec.layers), Some(spec.heads));
        Self { name: name.into(), sha256: Some(sha256.into()), tokenizer_sha256: None, layers, heads, hidden: spec.hidden }
    }
}

impl Adapter {
    /// Hidden size D.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.base_model.hidden
    }

    /// Prompt length P: virtual tokens or prefix rows; 0 for a linear probe.
    #[must_use]
    pub fn prompt_length(&self) -> usize {
        if self.config.prompt.method == Method::Probe { 0 } else { self.config.prompt.length }
    }

    /// The method that was trained; for progressive prompt tuning, its base method.
    #[must_use]
    pub fn method(&self) -> Method {
        match self.config.prompt.method {
            Method::Progressive => self.config.prompt.progressive.base,
            method => method,
        }
    }

    /// Whether Hugging Face PEFT can load it and computes the same logits: prompt rows in front of the text, or a prefix, with
    /// [`crate::config::HeadKind::Peft`].
    #[must_use]
    pub fn is_peft(&self) -> bool {
        peft::kind(self).is_some()
    }

    /// Members of an ensemble, each with its own head; 1 for every other method.
    #[must_use]
    pub fn members(&self) -> usize {
        if self.method() == Method::Ensemble { self.config.prompt.ensemble.members } else { 1 }
    }

    /// Checks that all parts fit together and all numbers are finite.
    ///
    /// # Errors
    /// [`Error::Adapter`] with the part that does not fit.
    pub fn validate(&self) -> Result<()> {
        let wrong = |problem: String| Err(Error::adapter(problem, "the adapter is damaged or was edited; export it again"));
        if let Err(error) = self.config.validate() {
            return wrong(format!("the adapter's settings are invalid: {error}"));
        }
        if self.config.prompt.method == Method::Auto {
            return wrong("the adapter's method is \"auto\", which is not a trained method".into());
        }
        let (classes, hidden) = (self.labels.len(), self.hidden());
        if classes < 2 {
            return wrong(format!("the adapter has {classes} labels; a classifier has at least 2"));
        }
        if let Some(label) = first_double(&self.labels) {
            return wrong(format!("the adapter has the label {label:?} twice"));
        }
        if let Some(problem) = stored::wrong_matrices(self) {
            return wrong(problem);
        }
        let heads = self.members().checked_mul(classes);
        let mut parts = vec![
            (HEAD_WEIGHT, &self.head_weight, heads.and_then(|rows| rows.checked_mul(hidden))),
            (HEAD_BIAS, &self.head_bias, heads),
        ];
        parts.extend(self.stored.iter().map(|matrix| (matrix.name.as_str(), &matrix.values, Some(matrix.values.len()))));
        for (name, values, expected) in parts {
            if Some(values.len()) != expected {
                return wrong(format!("{name} has {} elements, expected {}", values.len(), expected.unwrap_or(usize::MAX)));
            }
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return wrong(format!("{name} has {} at element {at}", values[at]));
            }
        }
        match self.metrics {
            Some(AdapterMetrics { accuracy, macro_f1, probe_accuracy, majority_accuracy, .. })
                if ![accuracy, macro_f1, probe_accuracy, majority_accuracy].iter().all(|figure| (0.0..=1.0).contains(figure)) =>
            {
                wrong("the adapter's metrics are not between 0 and 1".into())
            }
            _ => Ok(()),
        }
    }

    /// Checks that it can be used with an encoder of these sizes.
    ///
    /// # Errors
    /// [`Error::Adapter`] with both sizes.
    pub fn check_encoder(&self, spec: &EncoderSpec) -> Result<()> {
        let base = &self.base_model;
        let differs = |what, ours, theirs| {
            let problem = format!("the adapter was trained for an encoder with {what} {ours}, but this one has {theirs}");
            Err(Error::adapter(problem, format!("use it with {}", base.name)))
        };
        let late = self.config.prompt.late.layer.filter(|_| self.method() == Method::Late);
        match (base.layers, base.heads) {
            _ if base.hidden != spec.hidden => differs("hidden size", base.hidden, spec.hidden),
            (Some(layers), _) if layers != spec.layers => differs("layer count", layers, spec.layers),
            (_, Some(heads)) if heads != spec.heads => differs("head count", heads, spec.heads),
            // At least one layer is above the prompt.
            _ => match late.filter(|&below| below >= spec.layers) {
                Some(below) => differs("more layers than", below, spec.layers),
                None => Ok(()),
            },
        }
    }

    /// Its files, by name.
    ///
    /// # Errors
    /// Those of [`Adapter::validate`].
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        self.validate()?;
        let (heads, hidden) = (self.members() * self.labels.len(), self.hidden());
        let names: Vec<String> = self.stored.iter().map(Matrix::tensor).collect();
        let mut parts =
            vec![(HEAD_WEIGHT, vec![heads, hidden], &self.head_weight[..]), (HEAD_BIAS, vec![heads], &self.head_bias)];
        for (name, matrix) in names.iter().zip(&self.stored) {
            parts.push((name, matrix.shape.to_vec(), &matrix.values));
        }
        let tensors = tensors::write(&parts).map_err(|problem| Error::adapter(problem, "report this as a bug"))?;
        let files = [
            (CONFIG_FILE, peft::write(self)?),
            (MANIFEST_FILE, manifest::write(self, &tensors)?),
            (TENSORS_FILE, tensors),
            (CARD_FILE, card::write(self).into_bytes()),
            (SCRIPT_FILE, script::program(self).into_bytes()),
        ];
        Ok(files.map(|(name, bytes)| (name.to_owned(), bytes)).into())
    }

    /// Its files as a zip.
    ///
    /// # Errors
    /// Those of [`Adapter::validate`].
    pub fn to_zip(&self) -> Result<Vec<u8>> {
        archive::write(&self.files()?)
    }

    /// Reads an adapter from named files: our own, or a folder that PEFT wrote for sequence classification with `PROMPT_TUNING`,
    /// `P_TUNING` or `PREFIX_TUNING` (then the labels are `"0"`, `"1"`, ...). Other files are ignored.
    ///
    /// # Errors
    /// [`Error::Adapter`] with the file or tensor at fault.
    pub fn from_files(files: &[(String, Vec<u8>)]) -> Result<Self> {
        let find = |wanted: &str| -> Result<Option<&[u8]>> {
            let mut found = files.iter().filter(|(name, _)| name == wanted);
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => Err(Error::adapter(format!("{wanted} occurs twice"), "give each file once")),
                (found, _) => Ok(found.map(|(_, bytes)| bytes.as_slice())),
            }
        };
        let need = |wanted: &str| {
            find(wanted)?.ok_or_else(|| {
                Error::adapter(format!("{wanted} is missing"), format!("an adapter has {CONFIG_FILE} and {TENSORS_FILE}"))
            })
        };
        let (config, tensors) = (need(CONFIG_FILE)?, need(TENSORS_FILE)?);
        let parsed = Tensors::parse(tensors).map_err(unreadable)?;
        let adapter = match find(MANIFEST_FILE)? {
            Some(manifest) => manifest::read(manifest, tensors, &parsed)?,
            None => peft::read(config, &parsed)?,
        };
        adapter.validate()?;
        peft::check(config, &adapter)?;
        Ok(adapter)
    }

    /// Reads an adapter from a zip, see [`Adapter::from_files`].
    ///
    /// # Errors
    /// [`Error::Adapter`] if it is not a zip, compressed, encrypted or too large, or has a path or a duplicate in its names; and
    /// those of [`Adapter::from_files`].
    pub fn from_zip(bytes: &[u8]) -> Result<Self> {
        Self::from_files(&archive::read(bytes)?)
    }
}

fn unreadable(problem: impl std::fmt::Display) -> Error {
    Error::adapter(format!("{TENSORS_FILE}: {problem}"), "the file is damaged or not an adapter for sequence classification")
}

fn first_double(labels: &[String]) -> Option<&String> {
    let mut seen = std::collections::HashSet::new();
    labels.iter().find(|label| !seen.insert(*label))
}
