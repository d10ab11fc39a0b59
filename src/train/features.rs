//! Pooled rows of the frozen encoder without a prompt: they never change, so they are computed once.

/// Pooled rows `[n, D]` of all examples, on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    hidden: usize,
    values: Vec<f32>,
}

impl Features {
    /// No rows yet, of `hidden` numbers each.
    #[must_use]
    pub fn new(hidden: usize) -> Self {
        Self { hidden, values: Vec::new() }
    }

    /// Appends rows, row-major.
    pub fn extend(&mut self, rows: &[f32]) {
        self.values.extend_from_slice(rows);
    }

    /// Rows so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.hidden.max(1)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The rows at `indices`, one after another.
    #[must_use]
    pub fn rows(&self, indices: &[usize]) -> Vec<f32> {
        indices.iter().flat_map(|&i| &self.values[i * self.hidden..(i + 1) * self.hidden]).copied().collect()
    }
}
