//! [`PackedBatch`]: all rows of all examples one after another, without padding.

/// A tokenised text with its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Token ids with `[CLS]` first and `[SEP]` last.
    pub tokens: Vec<u32>,
    /// Class index.
    pub label: u32,
}

/// A batch of B examples packed into T rows, `T = sum(P + n_i)`: for each example, first its P prompt rows, then its `n_i` text
/// rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedBatch {
    prompt_length: usize,
    tokens: Vec<u32>,
    offsets: Vec<u32>,
    labels: Vec<u32>,
}

impl Default for PackedBatch {
    /// An empty batch.
    fn default() -> Self {
        Self::new([], 0)
    }
}

/// Where a row of a [`PackedBatch`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowSource {
    /// Prompt row `0..P`.
    Prompt(u32),
    /// A token id.
    Token(u32),
}

impl PackedBatch {
    /// Packs examples behind `prompt_length` prompt rows each. Every example has at least one token.
    #[must_use]
    pub fn new<'a>(examples: impl IntoIterator<Item = &'a Example>, prompt_length: usize) -> Self {
        let mut batch = Self { prompt_length, tokens: Vec::new(), offsets: vec![0], labels: Vec::new() };
        for example in examples {
            debug_assert!(!example.tokens.is_empty());
            batch.tokens.extend_from_slice(&example.tokens);
            batch.offsets.push((batch.tokens.len() + (batch.labels.len() + 1) * prompt_length) as u32);
            batch.labels.push(example.label);
        }
        batch
    }

    /// Examples B.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.labels.len()
    }

    /// Rows T, prompt rows included.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.tokens.len() + self.examples() * self.prompt_length
    }

    /// Prompt rows P of each example.
    #[must_use]
    pub fn prompt_length(&self) -> usize {
        self.prompt_length
    }

    /// First row of each example, and T: `[B + 1]`.
    #[must_use]
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    /// Token ids of all text rows, in order: `[T - B P]`.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Class indices: `[B]`.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Rows of the longest example.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.offsets.windows(2).map(|w| (w[1] - w[0]) as usize).max().unwrap_or(0)
    }

    /// For every row, in order: its example, its position in the example (including prompt rows), and its source. `[T]`.
    pub fn row_sources(&self) -> impl Iterator<Item = (usize, usize, RowSource)> + '_ {
        let prompt = self.prompt_length;
        (0..self.examples()).flat_map(move |example| {
            let (start, end) = (self.offsets[example] as usize, self.offsets[example + 1] as usize);
            (0..end - start).map(move |position| {
                let source = match position.checked_sub(prompt) {
                    Some(text) => RowSource::Token(self.tokens[start - example * prompt + text]),
                    None => RowSource::Prompt(position as u32),
                };
                (example, position, source)
            })
        })
    }
}
