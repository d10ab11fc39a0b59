//! Enters the stages and rounds of a run: partial encoders first (FPT), and training again after pruning (XPrompt).

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use super::events::Events;
use super::progress::Progress;
use super::results::Results;
use super::setup::Setup;
use crate::config::{HeadTransition, PruneConfig};
use crate::data::batch::PackedBatch;
use crate::engine::compute::read;
use crate::error::{Error, Result};
use crate::model::partial::{evenly, partial, top};
use crate::rng::Rng;
use crate::train::event::Event;
use crate::train::prune::mask;
use crate::train::step::Trainer;

/// Virtual tokens in front of the texts when neurons are scored (Huang et al. 2022, FPT: an untrained random prompt).
const SCORING_PROMPT: usize = 20;
/// Maximum number of examples for measuring the importance of the prompt's parts.
const PRUNING_EXAMPLES: usize = 256;

impl Progress {
    /// Switches to the encoder of the next stage.
    pub(super) async fn enter_next_stage(
        &mut self,
        trainer: &mut Trainer,
        setup: &Setup,
        events: &mut Events,
        stopping: bool,
    ) -> Result<()> {
        let reset = self.stage.is_some() && self.rounds.growth.head == HeadTransition::Reset;
        self.enter_stage(self.next_stage(stopping), trainer, setup, events).await?;
        if reset {
            trainer.reset_head();
        }
        Ok(())
    }

    /// Switches to the encoder of a stage.
    pub(super) async fn enter_stage(
        &mut self,
        number: usize,
        trainer: &mut Trainer,
        setup: &Setup,
        events: &mut Events,
    ) -> Result<()> {
        let spec = setup.model.spec();
        let (layers, neurons) = match self.rounds.stages.get(number).copied() {
            None => {
                trainer.set_encoder(setup.compute.encoder.clone(), (0..spec.layers).collect());
                (spec.layers, spec.ffn)
            }
            Some(stage) => {
                let layers = evenly(spec.layers, stage.layers)?;
                let neurons = if stage.neurons < spec.ffn {
                    top(self.neuron_scores(setup).await?, spec.ffn, stage.neurons)
                } else {
                    vec![(0..spec.ffn).collect(); spec.layers]
                };
                let weights = Arc::new(partial(setup.model.weights(), &layers, &neurons));
                trainer.set_encoder(setup.compute.encoder.with_weights(&weights).await?, layers.clone());
                (layers.len(), stage.neurons)
            }
        };
        self.stage = Some(number);
        events.push(Event::Stage {
            stage: number + 1,
            stages: self.rounds.stage_count(),
            layers,
            neurons,
            steps: self.rounds.end(number).saturating_sub(self.round_step()),
        });
        Ok(())
    }

    /// For every neuron `[L, F]`, the mean absolute activation over training texts after an untrained random prompt. Computed
    /// once.
    async fn neuron_scores(&mut self, setup: &Setup) -> Result<&[f32]> {
        if self.neuron_scores.is_none() {
            let spec = setup.model.spec();
            let hidden = spec.hidden;
            let mut rng = Rng::stream(setup.config.seed, "neurons");
            let (_, deviation) = setup.model.weights().word_spread();
            let length = SCORING_PROMPT.min(spec.max_positions.saturating_sub(setup.config.data.max_tokens)).max(1);
            let values: Vec<f32> = (0..length * hidden).map(|_| (deviation * rng.normal()) as f32).collect();
            let prompt = Tensor::<2>::from_data(TensorData::new(values, [length, hidden]), &setup.compute.device);
            let texts = self.rounds.growth.score_texts;
            let scored = setup.examples.learned(texts, setup.config.seed);
            let mut sums: Option<Tensor<2>> = None;
            for chunk in scored.chunks(setup.config.optim.batch_size) {
                let examples = chunk.iter().map(|&example| &setup.examples.all[example]);
                let batch = Arc::new(PackedBatch::new(examples, length));
                let scores = setup.compute.encoder.neuron_scores(&batch, &prompt)?;
                sums = Some(sums.map_or_else(|| scores.clone(), |sums| sums + scores.clone()));
            }
            let sums = sums.ok_or_else(|| Error::config("data", "there is no text to score neurons on", "use more rows"))?;
            self.neuron_scores = Some(read(sums / scored.len() as f64).await?);
        }
        Ok(self.neuron_scores.as_deref().unwrap_or_default())
    }

    /// Prunes the best prompt so far by token and by piece, rewinds the rest to it, and begins the second round (Ma et al. 2022,
    /// XPrompt, section 3).
    pub(super) async fn prune(
        &mut self,
        trainer: &mut Trainer,
        setup: &Setup,
        results: &mut Results,
        events: &mut Events,
    ) -> Result<()> {
        let (Some(PruneConfig { tokens, pieces, piece_share }), Some([rows, hidden])) =
            (setup.config.prompt.prune.clone(), trainer.prunable().map(|(_, shape)| shape))
        else {
            return Err(Error::config("prompt.prune", "this method has no prompt rows that can be pruned", "leave it out"));
        };
        if let Some(state) = results.best.take().and_then(|best| best.state) {
            trainer.set_state(&state)?;
        }
        let examples = setup.examples.learned(PRUNING_EXAMPLES, setup.config.seed);
        let importance = trainer.importance(&setup.examples.all, &examples, hidden).await?;
        let members = trainer.members();
        let values = mask(&importance, &vec![true; rows], tokens, hidden, members);
        let width = hidden / pieces;
        let active: Vec<bool> = values.chunks(width).map(|piece| piece.contains(&1.0)).collect();
        trainer.prune(&values);
        let importance = trainer.importance(&setup.examples.all, &examples, width).await?;
        let values = mask(&importance, &active, piece_share, width, members);
        let left = |width: usize| values.chunks(width).filter(|part| part.contains(&1.0)).count();
        events.push(Event::Pruned { rows: left(hidden), pieces: left(width), of: rows * pieces });
        trainer.prune(&values);
        trainer.reset_optimizer();
        self.enter_round();
        Ok(())
    }
}
