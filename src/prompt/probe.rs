//! No prompt: a linear head on the frozen features, the baseline of every run.

use burn::tensor::Tensor;

use super::{Parameter, PromptMethod, Start};
use crate::error::Result;

pub(super) struct Probe;

impl PromptMethod for Probe {
    fn prompt_length(&self) -> usize {
        0
    }

    fn initial(&self, _: Start<'_>) -> Result<Vec<Parameter>> {
        Ok(Vec::new())
    }

    fn rows(&self, _: &[Tensor<2>]) -> Option<Tensor<2>> {
        None
    }
}
