//! Progressive prompt tuning (Huang et al. 2022, "FPT: Improving Prompt Tuning Efficiency via Progressive Training", arXiv
//! 2211.06840): a
//! method is trained on partial encoders with increasing numbers of layers and feed-forward neurons, and finally on the full
//! encoder. The trained matrices are the same in every stage and are carried over. Of L layers, m are selected, 0 and L - 1 among
//! them, with gaps of `(L - m) div (m - 1) + 1` and, for the last `(L - m) mod (m - 1)`, one more ([`partial::evenly`]); of a
//! layer's neurons, those with the largest `mean_x mean_t |gelu(W1 h_t + b1)|` (section 3 of the paper and the authors' code; 20,
//! 20, 20 and 40% of the steps).

use burn::tensor::Tensor;

use super::{Context, Given, Growth, Parameter, PromptMethod, Sizes, Stage, Start};
use crate::config::{ProgressiveConfig, Shrink, Vote};
use crate::error::Result;
use crate::model::partial;
use crate::model::spec::EncoderSpec;

pub(super) struct Progressive {
    base: Box<dyn PromptMethod>,
    stages: Vec<Stage>,
    growth: Growth,
}

impl Progressive {
    pub(super) fn new(base: Box<dyn PromptMethod>, config: &ProgressiveConfig, spec: &EncoderSpec) -> Self {
        let stage = |share: f64, size: f64| Stage {
            share,
            layers: if config.shrink == Shrink::Width { spec.layers } else { partial::layers(spec.layers, size) },
            neurons: if config.shrink == Shrink::Depth { spec.ffn } else { partial::neurons(spec.ffn, size) },
        };
        let growth = Growth { head: config.head, refit_steps: config.refit_steps, score_texts: config.score_texts };
        Self { base, growth, stages: config.stages.iter().map(|s| stage(s.share, s.size)).collect() }
    }
}

impl PromptMethod for Progressive {
    fn stages(&self) -> Vec<Stage> {
        self.stages.clone()
    }

    fn growth(&self) -> Growth {
        self.growth
    }

    fn prompt_length(&self) -> usize {
        self.base.prompt_length()
    }

    fn entry(&self) -> Option<usize> {
        self.base.entry()
    }

    fn cache_bytes(&self) -> u64 {
        self.base.cache_bytes()
    }

    fn is_prefix(&self) -> bool {
        self.base.is_prefix()
    }

    fn members(&self) -> usize {
        self.base.members()
    }

    fn vote(&self) -> Vote {
        self.base.vote()
    }

    fn trained(&self, sizes: Sizes) -> Vec<(&'static str, [usize; 2])> {
        self.base.trained(sizes)
    }

    fn initial(&self, start: Start<'_>) -> Result<Vec<Parameter>> {
        self.base.initial(start)
    }

    fn given(&self, parameters: &[Tensor<2>], context: &Context<'_>) -> Given {
        self.base.given(parameters, context)
    }

    fn stored(&self, sizes: Sizes) -> Vec<(&'static str, [usize; 2])> {
        self.base.stored(sizes)
    }

    fn exported(&self, parameters: &[Tensor<2>]) -> Vec<Tensor<2>> {
        self.base.exported(parameters)
    }

    fn given_exported(&self, stored: &[Tensor<2>], context: &Context<'_>) -> Given {
        self.base.given_exported(stored, context)
    }
}
