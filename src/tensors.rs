//! Reads and writes safetensors files, and computes SHA-256 hashes. Used for encoder weights and adapters; every error names the
//! tensor.

use std::collections::HashMap;
use std::fmt::Write as _;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorView};
use sha2::{Digest, Sha256};

/// Maximum size of a header in bytes, the limit of the safetensors library. Parsed, it takes several times as much memory.
const MAX_HEADER: usize = 100_000_000;

/// The tensors of a safetensors file, not yet converted.
pub struct Tensors<'a> {
    header: Metadata,
    data: &'a [u8],
}

impl<'a> Tensors<'a> {
    /// Parses the header and checks that it describes the bytes after it.
    ///
    /// # Errors
    /// What is wrong, as text.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.starts_with(b"version https://git-lfs") {
            return Err("it is a Git LFS pointer, not the file itself".into());
        }
        // Not `SafeTensors::deserialize`, which adds offsets of the header unchecked: a malicious header would overflow.
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or("it is shorter than a safetensors header")?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok();
        let (header, data) =
            length.and_then(|length| rest.split_at_checked(length)).ok_or("it is truncated, or not in safetensors format")?;
        if header.len() > MAX_HEADER {
            return Err(format!("its header has {} bytes; the limit is {MAX_HEADER}", header.len()));
        }
        let header: Metadata = serde_json::from_slice(header).map_err(|error| format!("its header is invalid: {error}"))?;
        if header.data_len() != data.len() {
            return Err(format!("its header describes {} bytes of tensors, but it has {}", header.data_len(), data.len()));
        }
        Ok(Self { header, data })
    }

    /// Shape of a tensor; `None` if there is no such tensor.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.info(name).map(|info| info.shape.as_slice())
    }

    /// Names of all tensors, in the order of their data.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// Appends a tensor's elements to `out`, row-major, converted from F64, F32, F16 or BF16.
    ///
    /// # Errors
    /// A message with the tensor's name: it is missing, has another shape or data type, contains a non-finite number, or there is
    /// not enough memory.
    pub fn append(&self, name: &str, shape: &[usize], out: &mut Vec<f32>) -> Result<(), String> {
        let info = self.header.info(name).ok_or_else(|| format!("tensor \"{name}\" is missing; expected shape {shape:?}"))?;
        if info.shape != shape {
            return Err(format!("tensor \"{name}\" has shape {:?}, expected {shape:?}", info.shape));
        }
        let (start, end) = info.data_offsets;
        let data = self.data.get(start..end).ok_or_else(|| format!("tensor \"{name}\" is outside the file"))?;
        let before = out.len();
        out.try_reserve_exact(shape.iter().product())
            .map_err(|_| format!("not enough memory for tensor \"{name}\" {shape:?}"))?;
        match info.dtype {
            Dtype::F64 => out.extend(data.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32)),
            Dtype::F32 => out.extend(data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes))),
            Dtype::F16 => out.extend(data.as_chunks().0.iter().map(|&bytes| half::f16::from_le_bytes(bytes).to_f32())),
            Dtype::BF16 => out.extend(data.as_chunks().0.iter().map(|&bytes| half::bf16::from_le_bytes(bytes).to_f32())),
            other => return Err(format!("tensor \"{name}\" has data type {other}; supported are F64, F32, F16 and BF16")),
        }
        match out[before..].iter().position(|value| !value.is_finite()) {
            Some(at) => Err(format!("tensor \"{name}\" has {} at element {at}", out[before + at])),
            None => Ok(()),
        }
    }

    /// The elements of one tensor, see [`Tensors::append`].
    ///
    /// # Errors
    /// Those of [`Tensors::append`].
    pub fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let mut out = Vec::new();
        self.append(name, shape, &mut out)?;
        Ok(out)
    }
}

/// A safetensors file of f32 tensors (name, shape, elements), as written by PyTorch. The same tensors give the same bytes.
///
/// # Errors
/// A shape that does not fit its elements, as text.
pub fn write(tensors: &[(&str, Vec<usize>, &[f32])]) -> Result<Vec<u8>, String> {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), data)| {
        TensorView::new(Dtype::F32, shape.clone(), data).map(|view| (*name, view)).map_err(|error| format!("{name}: {error}"))
    });
    // A single entry: safetensors writes entries in the order of a hash map.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views.collect::<Result<Vec<_>, _>>()?, Some(metadata)).map_err(|error| error.to_string())
}

/// Joins the shards of a safetensors file. The result has the bytes that the library writes for all tensors in one file, whatever
/// the order of the shards. Each shard has a name for the errors.
///
/// # Errors
/// A message with the name of the shard: it cannot be read, or has a tensor that another shard has, too.
pub fn join(shards: &[(&str, &[u8])]) -> Result<Vec<u8>, String> {
    let mut views = std::collections::BTreeMap::new();
    for (shard, bytes) in shards {
        let Tensors { header, data } = Tensors::parse(bytes).map_err(|problem| format!("{shard} cannot be read: {problem}"))?;
        for (name, info) in header.tensors() {
            let (start, end) = info.data_offsets;
            let part = data.get(start..end).ok_or_else(|| format!("{shard}: tensor \"{name}\" is outside the file"))?;
            let view =
                TensorView::new(info.dtype, info.shape.clone(), part).map_err(|error| format!("{shard}: {name}: {error}"))?;
            if views.insert(name.clone(), view).is_some() {
                return Err(format!("{shard}: tensor \"{name}\" is in another shard, too"));
            }
        }
    }
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(|error| error.to_string())
}

/// A tensor to be written in half precision.
pub struct HalfTensor<'a> {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its elements, row-major.
    pub values: &'a [f32],
}

/// A safetensors file of f16 tensors, each element rounded to the nearest. The same tensors give the same bytes.
///
/// # Errors
/// A message with the tensor's name: its shape does not fit its elements, or an element is outside the range of f16.
pub fn write_half(tensors: &[HalfTensor<'_>]) -> Result<Vec<u8>, String> {
    let mut parts = Vec::with_capacity(tensors.len());
    for HalfTensor { name, values, .. } in tensors {
        let mut bytes = Vec::with_capacity(values.len() * 2);
        for &value in *values {
            let half = half::f16::from_f32(value);
            if !half.is_finite() {
                return Err(format!("tensor \"{name}\" contains {value}, which half precision cannot represent"));
            }
            bytes.extend_from_slice(&half.to_le_bytes());
        }
        parts.push(bytes);
    }
    let views = tensors.iter().zip(&parts).map(|(tensor, bytes)| {
        let view = TensorView::new(Dtype::F16, tensor.shape.clone(), bytes);
        view.map(|view| (tensor.name.as_str(), view)).map_err(|error| format!("{}: {error}", tensor.name))
    });
    safetensors::serialize(views.collect::<Result<Vec<_>, _>>()?, None).map_err(|error| error.to_string())
}

/// SHA-256 of a file's bytes, in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
