//! No prompt: a linear head on the frozen encoder, the baseline of every run.

use burn::tensor::Tensor;

use super::{Context, Given, Parameter, PromptMethod, Sizes, Start};
use crate::engine::boundary::Prompt;
use crate::error::Result;

pub(super) struct Probe;

impl PromptMethod for Probe {
    fn prompt_length(&self) -> usize {
        0
    }

    fn initial(&self, _: Start<'_>) -> Result<Vec<Parameter>> {
        Ok(Vec::new())
    }

    fn given(&self, _: &[Tensor<2>], context: &Context<'_>) -> Given {
        Prompt::None(Tensor::zeros([1, 1], context.device)).into()
    }

    fn stored(&self, _: Sizes) -> Vec<(&'static str, [usize; 2])> {
        Vec::new()
    }
}
