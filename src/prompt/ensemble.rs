//! Prompt ensembling (Lester, Al-Rfou and Constant 2021, "The Power of Scale for Parameter-Efficient Prompt Tuning", section 6):
//! N prompts for one frozen encoder, trained independently but side by side, and evaluated in one pass over N copies of a batch.
//! Their predictions are combined by a vote ([`crate::config::Vote`]). Each member has its own head and batches. The paper uses
//! majority voting, `argmax_c #{ i : c = argmax_y p(y | [P_i; X_e]) }` (the equation has no number).

use burn::tensor::Tensor;

use super::prompt_tuning::{NAME, rows};
use super::{Context, Given, Parameter, PromptMethod, Sizes, Start};
use crate::config::{PromptConfig, PromptInit, Vote};
use crate::engine::boundary::Prompt;
use crate::error::Result;

pub(super) struct Ensemble {
    config: PromptConfig,
}

impl Ensemble {
    pub(super) fn new(config: PromptConfig) -> Self {
        Self { config }
    }

    fn shape(&self, hidden: usize) -> [usize; 2] {
        [self.config.ensemble.members * self.config.length, hidden]
    }
}

impl PromptMethod for Ensemble {
    fn prompt_length(&self) -> usize {
        self.config.length
    }

    fn members(&self) -> usize {
        self.config.ensemble.members
    }

    fn vote(&self) -> Vote {
        self.config.ensemble.vote
    }

    fn trained(&self, sizes: Sizes) -> Vec<(&'static str, [usize; 2])> {
        vec![("prompt.ensemble.members", self.shape(sizes.hidden))]
    }

    /// The first member is initialised as in prompt tuning with the same seed. The others use further draws of the same stream:
    /// normal numbers if the initialisation is random, otherwise tokens of the vocabulary. Rows of labels or of a text would be
    /// the same for all, and members with the same initialisation make similar predictions.
    fn initial(&self, mut start: Start<'_>) -> Result<Vec<Parameter>> {
        let mut all = rows(&self.config, &mut start)?;
        let drawn = match self.config.init {
            PromptInit::Random => PromptInit::Random,
            _ => PromptInit::Vocabulary,
        };
        let drawn = PromptConfig { init: drawn, ..self.config.clone() };
        for _ in 1..self.members() {
            all.extend(rows(&drawn, &mut start)?);
        }
        Ok(vec![Parameter::new(NAME, self.shape(start.weights.spec.hidden), all)])
    }

    fn given(&self, parameters: &[Tensor<2>], context: &Context<'_>) -> Given {
        let (members, length) = (self.members(), self.config.length);
        let hidden = parameters[0].dims()[1];
        let copies = context.batch.examples() / members;
        let rows = parameters[0].clone().reshape([members, 1, length * hidden]).repeat_dim(1, copies);
        Prompt::PerExample(rows.reshape([members * copies * length, hidden])).into()
    }

    fn stored(&self, sizes: Sizes) -> Vec<(&'static str, [usize; 2])> {
        vec![(NAME, self.shape(sizes.hidden))]
    }
}
