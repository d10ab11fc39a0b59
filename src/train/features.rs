//! Pooled rows of the frozen encoder without a prompt. They never change, so they are computed once.

/// Pooled rows `[n, D]` of some examples, on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    hidden: usize,
    values: Vec<f32>,
    /// The example of each row, ascending. Rows are filled from the beginning.
    examples: Vec<usize>,
}

impl Features {
    /// An empty table of rows with `hidden` numbers, for these ascending examples.
    #[must_use]
    pub fn new(hidden: usize, examples: Vec<usize>) -> Self {
        debug_assert!(examples.is_sorted());
        Self { hidden, values: Vec::new(), examples }
    }

    /// The next examples without a row, at most `most`.
    #[must_use]
    pub fn missing(&self, most: usize) -> &[usize] {
        let begin = self.len();
        &self.examples[begin..(begin + most).min(self.examples.len())]
    }

    /// Appends the rows of the next examples, row-major.
    pub fn extend(&mut self, rows: &[f32]) {
        self.values.extend_from_slice(rows);
    }

    /// Size of the rows so far, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        size_of_val(self.values.as_slice()) as u64
    }

    /// Number of rows so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.hidden.max(1)
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Number of rows when complete.
    #[must_use]
    pub fn total(&self) -> usize {
        self.examples.len()
    }

    /// The rows of some examples, concatenated.
    ///
    /// # Panics
    /// If a row is not part of the table or not yet computed.
    #[must_use]
    pub fn rows(&self, examples: &[usize]) -> Vec<f32> {
        let mut rows = Vec::with_capacity(examples.len() * self.hidden);
        for example in examples {
            let row = self.examples.binary_search(example).expect("an example of these features");
            rows.extend_from_slice(&self.values[row * self.hidden..(row + 1) * self.hidden]);
        }
        rows
    }
}
