//! Measures the importance of a trained prompt's rows and pieces, and prunes the least important ones (XPrompt).

use burn::tensor::Tensor;

use super::Trainer;
use super::parameters::Mask;
use crate::data::batch::Example;
use crate::engine::compute::read;
use crate::error::Result;

/// The matrix that is pruned.
const PRUNED: &str = "prompt";

impl Trainer {
    /// The prompt matrix, if it can be pruned: its name and `[rows, D]`.
    #[must_use]
    pub fn prunable(&self) -> Option<(&'static str, [usize; 2])> {
        let matrix = &self.parameters.prompt[self.pruned()?];
        Some((matrix.info.name, matrix.values.dims()))
    }

    /// Index of the prompt matrix among the method's.
    fn pruned(&self) -> Option<usize> {
        self.parameters.prompt.iter().position(|matrix| matrix.info.name == PRUNED)
    }

    /// Mean over examples of `|sum(dL/dP * P)|` over each piece of `width` elements of the prompt's rows, `[rows, D / width]`
    /// row-major: the derivative with respect to a factor of the piece (Ma et al. 2022, XPrompt, equation 6; Michel et al. 2019).
    /// One pass per example, so that the mean of the absolute values is exact.
    ///
    /// # Errors
    /// As [`Trainer::gradients`].
    ///
    /// # Panics
    /// If there is no prompt matrix, or `width` does not divide a row.
    pub async fn importance(&self, examples: &[Example], indices: &[usize], width: usize) -> Result<Vec<f32>> {
        let pruned = self.pruned().expect("a prompt matrix");
        let prompt = self.masked(&self.values().prompt).swap_remove(pruned);
        let [rows, hidden] = prompt.dims();
        assert!(hidden.is_multiple_of(width), "pieces are of one width");
        let pieces = rows * hidden / width;
        let mut sums = Tensor::<2>::zeros([pieces, 1], &self.device);
        for &example in indices {
            let repeated = vec![example; self.method.members()];
            let gradient = self.gradients(examples, &repeated)?.gradients.prompt.swap_remove(pruned);
            let products = (gradient * prompt.clone()).reshape([pieces, width]);
            sums = sums + products.sum_dim(1).abs();
        }
        let mean = sums / indices.len().max(1) as f64;
        read(mean).await
    }

    /// Prunes the prompt: a mask `[rows, D]` of 0 and 1.
    ///
    /// # Panics
    /// If there is no prompt matrix, or the mask has another size.
    pub fn prune(&mut self, mask: &[f32]) {
        let pruned = self.pruned().expect("a prompt matrix");
        let matrix = &mut self.parameters.prompt[pruned];
        matrix.mask = Some(Mask::new(mask, matrix.values.dims(), &self.device));
    }
}
