//! `softprompt.json`: everything about an adapter except its tensors. If it exists, it takes precedence over PEFT's description,
//! which is derived from it.

use serde::{Deserialize, Serialize};

use super::{
    Adapter, AdapterMetrics, BaseModel, HEAD_BIAS, HEAD_WEIGHT, MANIFEST_FILE, Matrix, TENSORS_FILE, tensor_name, unreadable,
};
use crate::config::{Method, RunConfig};
use crate::error::{Error, Result};
use crate::tensors::{Tensors, sha256_hex};

/// Version of the format; readers reject later ones.
const FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u64,
    /// Version of the crate that wrote it.
    written_by: String,
    base_model: BaseModel,
    labels: Vec<String>,
    metrics: Option<AdapterMetrics>,
    config: RunConfig,
    data_sha256: Option<String>,
    /// Names and shapes of the matrices that the method stores.
    #[serde(default)]
    stored: Option<Vec<(String, [usize; 2])>>,
    /// SHA-256 of the tensors' file: a folder with files of two different exports is rejected.
    tensors_sha256: String,
}

/// The bytes of `softprompt.json`.
pub(super) fn write(adapter: &Adapter, tensors: &[u8]) -> Result<Vec<u8>> {
    let manifest = Manifest {
        format: FORMAT,
        written_by: concat!("softprompt ", env!("CARGO_PKG_VERSION")).into(),
        base_model: adapter.base_model.clone(),
        labels: adapter.labels.clone(),
        metrics: adapter.metrics.map(AdapterMetrics::rounded),
        config: adapter.config.clone(),
        data_sha256: adapter.data_sha256.clone(),
        stored: Some(adapter.stored.iter().map(|matrix| (matrix.name.clone(), matrix.shape)).collect()),
        tensors_sha256: sha256_hex(tensors),
    };
    let mut bytes = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| Error::adapter(format!("{MANIFEST_FILE}: {error}"), "report this as a bug"))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// An adapter from `softprompt.json` and its tensors.
pub(super) fn read(bytes: &[u8], tensors: &[u8], parsed: &Tensors<'_>) -> Result<Adapter> {
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    let broken = |error: serde_json::Error| {
        Error::adapter(
            format!("{MANIFEST_FILE} cannot be read: {error}"),
            "the file is damaged, or was written by a newer version of softprompt",
        )
    };
    let version: Version = serde_json::from_slice(bytes).map_err(broken)?;
    if version.format != FORMAT {
        let problem = format!("{MANIFEST_FILE} has format {}, but this program reads {FORMAT}", version.format);
        return Err(Error::adapter(problem, "use a newer version of softprompt"));
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(broken)?;
    let actual = sha256_hex(tensors);
    if manifest.tensors_sha256 != actual {
        let problem = format!("{TENSORS_FILE} has SHA-256 {actual}, but {MANIFEST_FILE} states {}", manifest.tensors_sha256);
        return Err(Error::adapter(problem, "the files are from two different exports, or damaged; export the adapter again"));
    }
    let Manifest { base_model, labels, metrics, config, data_sha256, stored, .. } = manifest;
    let classes = labels.len();
    let mut adapter = Adapter {
        stored: Vec::new(),
        head_weight: Vec::new(),
        head_bias: Vec::new(),
        config,
        labels,
        metrics,
        base_model,
        data_sha256,
    };
    let (heads, hidden) = (adapter.members().saturating_mul(classes), adapter.hidden());
    // Written before there were other methods: a prompt, or none.
    let stored = stored.unwrap_or_else(|| {
        let prompt = ("prompt".to_owned(), [adapter.config.prompt.length, hidden]);
        if adapter.method() == Method::Probe { Vec::new() } else { vec![prompt] }
    });
    // Before any tensor is read: a file may list a name a million times.
    if let Some(problem) = super::stored::wrong_names(&adapter, stored.iter().map(|(name, _)| name.as_str())) {
        return Err(Error::adapter(problem, "the adapter is damaged or was edited; export it again"));
    }
    for (name, shape) in stored {
        let values = parsed.read(&tensor_name(&name), &shape).map_err(unreadable)?;
        adapter.stored.push(Matrix { name, shape, values });
    }
    adapter.head_weight = parsed.read(HEAD_WEIGHT, &[heads, hidden]).map_err(unreadable)?;
    adapter.head_bias = parsed.read(HEAD_BIAS, &[heads]).map_err(unreadable)?;
    Ok(adapter)
}
