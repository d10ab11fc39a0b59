//! Families of encoders, a file each: a `config.json` of the hub -> the encoder's [`Program`], and where in its files every weight
//! is. No weight is read here.

mod albert;
mod bert;
mod distilbert;
pub(super) mod fields;
mod load;
mod modernbert;
mod mpnet;
mod nomic;
mod post_norm;
mod writer;

use serde_json::{Map, Value};

use crate::error::Result;
use crate::model::spec::EncoderSpec;
use crate::program::Program;

use fields::Fields;

/// A family's program for a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// The program.
    pub program: Program,
    /// Where each of the program's weights is, in their order.
    pub sources: Vec<Source>,
    /// Prefixes of the tensor names of the family's task models, such as `bert.`.
    pub prefixes: &'static [&'static str],
    /// Sizes for messages and partial encoders.
    pub sizes: Sizes,
}

/// Sizes of an encoder's layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizes {
    /// Layers L.
    pub layers: usize,
    /// Hidden size D.
    pub hidden: usize,
    /// Attention heads H.
    pub heads: usize,
    /// Feed-forward neurons F of a layer.
    pub ffn: usize,
}

/// Where a weight is in the files, by the tensors' names without their prefix.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// These tensors, one below the other.
    Rows(Vec<String>),
    /// A table of positions without its first rows, with the first row of another table (that of the token types) added to each.
    Positions {
        /// The table.
        table: String,
        /// Rows that no position has.
        skip: usize,
        /// The table of token types.
        types: Option<String>,
    },
    /// The first row of this table.
    FirstRow(String),
    /// T5's buckets `[buckets, H]`, expanded to a row for every distance.
    Buckets {
        /// The table.
        table: String,
        /// Largest distance with a bucket of its own.
        distance: usize,
    },
}

/// Reads the configuration of a family.
type Read = fn(&Fields<'_>) -> Result<Architecture>;

/// The families, by their `model_type`.
const FAMILIES: [(&str, Read); 11] = [
    ("bert", bert::bert),
    ("roberta", bert::roberta),
    ("xlm-roberta", bert::roberta),
    ("camembert", bert::roberta),
    ("electra", bert::electra),
    ("albert", albert::albert),
    ("distilbert", distilbert::distilbert),
    ("mpnet", mpnet::mpnet),
    ("modernbert", modernbert::modernbert),
    ("nomic_bert", nomic::nomic),
    ("nomic-bert", nomic::nomic),
];

/// Values of `model_type` that are read.
pub(crate) fn supported() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().map(|(name, _)| *name)
}

/// The program of a configuration.
///
/// # Errors
/// [`crate::error::Error::Model`] with the field, its value and the expected value.
pub fn read(fields: &Map<String, Value>) -> Result<Architecture> {
    let fields = Fields::new(fields);
    let names: Vec<&str> = supported().collect();
    let name = fields.one_of("model_type", &names)?;
    fields.no_decoder()?;
    match FAMILIES.iter().find(|(family, _)| *family == name) {
        Some((_, read)) => read(&fields),
        None => Err(fields.unsupported("model_type", "a supported family")),
    }
}

/// The program of BERT with these sizes.
#[must_use]
pub fn of_spec(spec: &EncoderSpec) -> Architecture {
    bert::of_spec(spec)
}
