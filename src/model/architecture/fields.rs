//! The fields of a `config.json`.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::program::Activation;

/// Maximum number of elements of a weight: 4 GiB of f32, the limit of 32-bit addresses.
const MAX_ELEMENTS: u64 = 1 << 30;

/// The fields, with checks.
pub(in crate::model) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(in crate::model) fn new(fields: &'a Map<String, Value>) -> Self {
        Self(fields)
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, field: &str) -> Option<&'a Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// A whole number from 1 to `max`.
    pub(in crate::model) fn size(&self, field: &str, max: usize) -> Result<usize> {
        let value = self.0.get(field).ok_or_else(|| wrong(format!("config.json: \"{field}\" is missing")))?;
        match value.as_u64().and_then(|size| usize::try_from(size).ok()) {
            Some(size) if (1..=max).contains(&size) => Ok(size),
            _ => Err(wrong(format!("config.json: \"{field}\" is {value}, expected a whole number from 1 to {max}"))),
        }
    }

    /// The same, with a default.
    pub(super) fn size_or(&self, field: &str, max: usize, default: usize) -> Result<usize> {
        if self.get(field).is_some() { self.size(field, max) } else { Ok(default) }
    }

    /// A whole number that may be 0.
    pub(super) fn index_or(&self, field: &str, default: usize) -> Result<usize> {
        match self.get(field) {
            None => Ok(default),
            Some(value) => value
                .as_u64()
                .and_then(|index| usize::try_from(index).ok())
                .filter(|&index| index < 1 << 24)
                .ok_or_else(|| wrong(format!("config.json: \"{field}\" is {value}, expected a whole number from 0"))),
        }
    }

    /// A number above 0.
    pub(super) fn positive_or(&self, field: &str, default: f64) -> Result<f64> {
        match self.get(field) {
            None => Ok(default),
            Some(value) => positive(field, value),
        }
    }

    /// The epsilon of the norms.
    pub(in crate::model) fn epsilon(&self, field: &str, default: f64) -> Result<f64> {
        match self.get(field) {
            None => Ok(default),
            Some(value) => value
                .as_f64()
                .filter(|eps| (0.0..1.0).contains(eps))
                .ok_or_else(|| wrong(format!("config.json: \"{field}\" is {value}, expected a number from 0 to 1"))),
        }
    }

    /// Whether a flag is set.
    pub(super) fn flag(&self, field: &str, default: bool) -> Result<bool> {
        match self.get(field) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| self.unsupported(field, "true or false")),
        }
    }

    /// One of several values; an error if it is absent.
    pub(super) fn one_of(&self, field: &str, supported: &[&str]) -> Result<&'a str> {
        match self.get(field) {
            None => Err(wrong(format!("config.json: \"{field}\" is missing; supported is {supported:?}"))),
            Some(value) => match value.as_str().filter(|value| supported.contains(value)) {
                Some(value) => Ok(value),
                None => Err(self.unsupported(field, &format!("{supported:?}"))),
            },
        }
    }

    /// A field that changes the result: absent, or of the only value that is supported.
    pub(super) fn only(&self, field: &str, supported: &Value) -> Result<()> {
        match self.get(field) {
            Some(value) if value != supported => Err(self.unsupported(field, &supported.to_string())),
            _ => Ok(()),
        }
    }

    /// An activation function by its name in transformers.
    pub(super) fn activation(&self, field: &str, default: Activation) -> Result<Activation> {
        const NAMES: [(&str, Activation); 9] = [
            ("gelu", Activation::Gelu),
            ("gelu_python", Activation::Gelu),
            ("gelu_new", Activation::GeluTanh),
            ("gelu_pytorch_tanh", Activation::GeluTanh),
            ("gelu_fast", Activation::GeluTanh),
            ("quick_gelu", Activation::QuickGelu),
            ("relu", Activation::Relu),
            ("silu", Activation::Silu),
            ("swish", Activation::Silu),
        ];
        let Some(value) = self.get(field) else { return Ok(default) };
        match NAMES.iter().find(|(name, _)| value == name) {
            Some((_, function)) => Ok(*function),
            None => Err(self.unsupported(field, &format!("{:?}", NAMES.map(|(name, _)| name)))),
        }
    }

    /// The encoder is not the decoder of another model.
    pub(super) fn no_decoder(&self) -> Result<()> {
        for flag in ["is_decoder", "add_cross_attention"] {
            self.only(flag, &Value::Bool(false))?;
        }
        if self.get("quantization_config").is_some() {
            let problem = "config.json: \"quantization_config\" is set, so the weights are quantised";
            return Err(Error::model(problem, "use the encoder in full or half precision (float32, float16, bfloat16)"));
        }
        Ok(())
    }

    /// Heads that share the hidden size.
    pub(in crate::model) fn heads(&self, (hidden_field, hidden): (&str, usize), field: &str) -> Result<usize> {
        let heads = self.size(field, 1 << 12)?;
        if !hidden.is_multiple_of(heads) {
            return Err(wrong(format!("config.json: \"{hidden_field}\" {hidden} is not a multiple of \"{field}\" {heads}")));
        }
        let head_size = hidden / heads;
        if !head_size.is_multiple_of(4) {
            return Err(Error::model(
                format!("config.json: the head size {head_size} ({hidden_field} / {field}) is not a multiple of 4"),
                "the kernels process four numbers at a time; use another encoder",
            ));
        }
        Ok(heads)
    }

    /// Checks that weights with these numbers of rows can be addressed: each with the name of its field.
    pub(in crate::model) fn addressable(columns: usize, rows: &[(&str, usize)]) -> Result<()> {
        match rows.iter().find(|&&(_, rows)| rows as u64 * columns as u64 > MAX_ELEMENTS) {
            None => Ok(()),
            Some((field, rows)) => Err(wrong(format!(
                "config.json: \"{field}\" requires a weight of {rows} x {columns}; the limit is {MAX_ELEMENTS} elements"
            ))),
        }
    }

    pub(super) fn unsupported(&self, field: &str, expected: &str) -> Error {
        let value = self.0.get(field).unwrap_or(&Value::Null);
        Error::model(
            format!("config.json: \"{field}\" is {value}; supported is {expected}"),
            "use another encoder, such as all-MiniLM-L6-v2",
        )
    }
}

/// A number above 0.
pub(super) fn positive(field: &str, value: &Value) -> Result<f64> {
    value
        .as_f64()
        .filter(|number| *number > 0.0 && number.is_finite())
        .ok_or_else(|| wrong(format!("config.json: \"{field}\" is {value}, expected a number above 0")))
}

pub(in crate::model) fn wrong(problem: String) -> Error {
    Error::model(problem, "use the config.json from the same place as the weights")
}
