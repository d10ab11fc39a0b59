//! Where prompt rows enter an encoder, and how its rows are read.

/// Pooling: how the rows of an example are reduced to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Mean of all rows of the example, including prompt rows.
    Mean,
    /// Mean of the rows of the example from this one on; with the number of prompt rows, the mean of its text.
    MeanFrom(u32),
    /// One row of the example, counted from its first prompt row.
    Row(u32),
}

impl Pooling {
    /// The first row of an example that is pooled.
    #[must_use]
    pub fn first(self) -> usize {
        match self {
            Self::Mean => 0,
            Self::MeanFrom(row) | Self::Row(row) => row as usize,
        }
    }
}

/// Where the prompt rows of a batch enter the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Entry {
    /// Before the lowest layer, as word embeddings: they get positions `0..P`, token type 0 and the norm of the embeddings, and
    /// the text's positions start at P (as in Hugging Face PEFT).
    #[default]
    Words,
    /// After a number of layers (0: after the norm of the embeddings), unchanged: without position, type or norm. The text's
    /// positions start at 0 (Liu et al. 2022, late prompt tuning).
    After(usize),
}
