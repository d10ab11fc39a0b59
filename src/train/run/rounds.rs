//! The rounds and stages of a run: partial encoders first (FPT), and training again after pruning (XPrompt).

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use super::Run;
use crate::config::{HeadTransition, PruneConfig, RunConfig};
use crate::data::batch::PackedBatch;
use crate::engine::compute::read;
use crate::error::{Error, Result};
use crate::model::partial::{evenly, partial, top};
use crate::prompt::{Growth, PromptMethod, Stage};
use crate::rng::Rng;
use crate::train::event::Event;
use crate::train::prune::mask;
use crate::train::step::{LearningRates, Trainer};

/// Virtual tokens in front of the texts when neurons are scored (Huang et al. 2022, FPT: an untrained random prompt).
const SCORING_PROMPT: usize = 20;
/// Maximum number of examples for measuring the importance of the prompt's parts.
const PRUNING_EXAMPLES: usize = 256;

/// The position of a run in its plan.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    stages: Vec<Stage>,
    growth: Growth,
    /// The current stage; `None` before the first step.
    pub(super) stage: Option<usize>,
    /// Finished rounds.
    pub(super) round: usize,
    /// Number of rounds.
    pub(super) rounds: usize,
    /// Steps before this round.
    pub(super) before: usize,
    /// Importance of the neurons `[L, F]`, if stages have fewer neurons.
    pub(super) scores: Option<Vec<f32>>,
}

impl Rounds {
    pub(super) fn new(config: &RunConfig, method: &dyn PromptMethod) -> Self {
        let rounds = 1 + usize::from(config.prompt.prune.is_some());
        Self { stages: method.stages(), growth: method.growth(), rounds, ..Self::default() }
    }

    /// Number of stages, including the one on the full encoder.
    pub(super) fn count(&self) -> usize {
        self.stages.len() + 1
    }

    /// The step at which stage `stage` ends, in a round with `steps` steps.
    fn end(&self, stage: usize, steps: usize) -> usize {
        if stage >= self.stages.len() {
            return steps;
        }
        let share: f64 = self.stages[..=stage].iter().map(|stage| stage.share).sum();
        (share * steps as f64).round() as usize
    }

    /// The stage of a step, counted from 0, in a round with `steps` steps.
    pub(super) fn at(&self, step: usize, steps: usize) -> usize {
        if self.round > 0 {
            return self.stages.len();
        }
        (0..self.stages.len()).find(|&stage| step < self.end(stage, steps)).unwrap_or(self.stages.len())
    }
}

impl Run {
    /// Steps of this round so far.
    pub(super) fn round_step(&self) -> usize {
        self.progress.step - self.rounds.before
    }

    /// Steps of the whole run, as far as known.
    pub(super) fn all_steps(&self) -> usize {
        self.rounds.before + self.budget.steps * (self.rounds.rounds - self.rounds.round)
    }

    pub(super) fn is_partial(&self) -> bool {
        self.rounds.stage.is_some_and(|stage| stage + 1 < self.rounds.count())
    }

    /// The next stage. If the user stops the run, it is the full encoder, because only parameters on it can be the result.
    fn next_stage(&self) -> usize {
        if self.stopping { self.rounds.stages.len() } else { self.rounds.at(self.round_step(), self.budget.steps) }
    }

    /// Whether the next step, or the last evaluation of a stopped run, is in another stage.
    pub(super) fn enters_stage(&self) -> bool {
        self.rounds.count() > 1 && self.rounds.stage != Some(self.next_stage())
    }

    /// Learning rates of the next step.
    pub(super) fn rates(&self) -> LearningRates {
        let rates = self.budget.rates(self.round_step());
        let Growth { head, refit_steps, .. } = self.rounds.growth;
        let stage = self.rounds.stage.unwrap_or(0);
        if head != HeadTransition::Refit || stage == 0 || self.rounds.round > 0 || self.rounds.count() == 1 {
            return rates;
        }
        let since = self.round_step() - self.rounds.end(stage - 1, self.budget.steps);
        if since < refit_steps { LearningRates { prompt: 0.0, factor: 0.0, ..rates } } else { rates }
    }

    /// Switches to the encoder of the next stage.
    pub(super) async fn enter_next_stage(&mut self, trainer: &mut Trainer) -> Result<()> {
        let reset = self.rounds.stage.is_some() && self.rounds.growth.head == HeadTransition::Reset;
        self.enter_stage(self.next_stage(), trainer).await?;
        if reset {
            trainer.reset_head();
        }
        Ok(())
    }

    /// Switches to the encoder of a stage.
    pub(super) async fn enter_stage(&mut self, number: usize, trainer: &mut Trainer) -> Result<()> {
        let spec = self.model.spec().clone();
        let (layers, neurons) = match self.rounds.stages.get(number).copied() {
            None => {
                trainer.set_encoder(self.compute.encoder.clone(), (0..spec.layers).collect());
                (spec.layers, spec.ffn)
            }
            Some(stage) => {
                let layers = evenly(spec.layers, stage.layers)?;
                let neurons = if stage.neurons < spec.ffn {
                    top(self.neuron_scores().await?, spec.ffn, stage.neurons)
                } else {
                    vec![(0..spec.ffn).collect(); spec.layers]
                };
                let weights = Arc::new(partial(self.model.weights(), &layers, &neurons));
                trainer.set_encoder(self.compute.encoder.with_weights(&weights).await?, layers.clone());
                (layers.len(), stage.neurons)
            }
        };
        self.rounds.stage = Some(number);
        self.pending.push_back(Event::Stage {
            stage: number + 1,
            stages: self.rounds.count(),
            layers,
            neurons,
            steps: self.rounds.end(number, self.budget.steps).saturating_sub(self.round_step()),
        });
        Ok(())
    }

    /// For every neuron `[L, F]`, the mean absolute activation over training texts behind an untrained random prompt. Computed
    /// once.
    async fn neuron_scores(&mut self) -> Result<&[f32]> {
        if self.rounds.scores.is_none() {
            let spec = self.model.spec();
            let hidden = spec.hidden;
            let mut rng = Rng::stream(self.config.seed, "neurons");
            let (_, deviation) = self.model.weights().word_spread();
            let length = SCORING_PROMPT.min(spec.max_positions.saturating_sub(self.config.data.max_tokens)).max(1);
            let values: Vec<f32> = (0..length * hidden).map(|_| (deviation * rng.normal()) as f32).collect();
            let prompt = Tensor::<2>::from_data(TensorData::new(values, [length, hidden]), &self.compute.device);
            let texts = self.rounds.growth.score_texts;
            let scored = self.examples.learned(texts, self.config.seed);
            let mut sums: Option<Tensor<2>> = None;
            for chunk in scored.chunks(self.config.optim.batch_size) {
                let examples = chunk.iter().map(|&example| &self.examples.all[example]);
                let batch = Arc::new(PackedBatch::new(examples, length));
                let scores = self.compute.encoder.neuron_scores(&batch, &prompt)?;
                sums = Some(sums.map_or_else(|| scores.clone(), |sums| sums + scores.clone()));
            }
            let sums = sums.ok_or_else(|| Error::config("data", "there is no text to score neurons on", "use more rows"))?;
            self.rounds.scores = Some(read(sums / scored.len() as f64).await?);
        }
        Ok(self.rounds.scores.as_deref().unwrap_or_default())
    }

    /// Whether this round has no steps left, or early stopping applies. Called when no evaluation is due.
    pub(super) fn round_is_over(&self) -> bool {
        let patience = self.config.eval.patience.is_some_and(|patience| self.progress.stale >= patience);
        patience || self.round_step() >= self.budget.steps
    }

    /// Whether the prompt is pruned after this round.
    pub(super) fn prunes_next(&self) -> bool {
        self.rounds.round + 1 < self.rounds.rounds
    }

    /// Checks that pruning is possible.
    pub(super) fn check_pruning(&self) -> Result<()> {
        match &self.config.prompt.prune {
            Some(prune) if !self.model.spec().hidden.is_multiple_of(prune.pieces) => Err(Error::config(
                "prompt.prune.pieces",
                format!("a row of {1} numbers cannot be split into {0} equal pieces", prune.pieces, self.model.spec().hidden),
                "use a divisor, such as 16",
            )),
            _ => Ok(()),
        }
    }

    /// Prunes the best prompt so far by token and by piece, rewinds the rest to it, and begins the second round (Ma et al. 2022,
    /// XPrompt, section 3).
    pub(super) async fn prune(&mut self, trainer: &mut Trainer) -> Result<()> {
        let (Some(PruneConfig { tokens, pieces, piece_share }), Some([rows, hidden])) =
            (self.config.prompt.prune.clone(), trainer.prunable().map(|(_, shape)| shape))
        else {
            return Err(Error::config("prompt.prune", "this method has no prompt rows that can be pruned", "leave it out"));
        };
        if let Some(state) = self.best.take().and_then(|best| best.state) {
            trainer.set_state(&state)?;
        }
        let examples = self.examples.learned(PRUNING_EXAMPLES, self.config.seed);
        let importance = trainer.importance(&self.examples.all, &examples, hidden).await?;
        let members = trainer.members();
        let values = mask(&importance, &vec![true; rows], tokens, hidden, members);
        let width = hidden / pieces;
        let kept: Vec<bool> = values.chunks(width).map(|piece| piece.contains(&1.0)).collect();
        trainer.prune(&values);
        let importance = trainer.importance(&self.examples.all, &examples, width).await?;
        let values = mask(&importance, &kept, piece_share, width, members);
        let left = |width: usize| values.chunks(width).filter(|part| part.contains(&1.0)).count();
        self.pending.push_back(Event::Pruned { rows: left(hidden), pieces: left(width), of: rows * pieces });
        trainer.prune(&values);
        trainer.reset_optimizer();
        self.rounds.round += 1;
        self.rounds.before = self.progress.step;
        self.progress.stale = 0;
        Ok(())
    }
}
