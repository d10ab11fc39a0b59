//! The linear probe beside a run: first its features, then its training, in small units.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::events::Events;
use super::results::Results;
use super::setup::Setup;
use crate::data::batch::PackedBatch;
use crate::engine::boundary::{Inputs, Prompt};
use crate::engine::compute::read;
use crate::error::Result;
use crate::head::Head;
use crate::predict::EVAL_BATCH;
use crate::prompt::without_prompt;
use crate::train::event::Event;
use crate::train::features::Features;
use crate::train::order::Order;
use crate::train::probe::{Best, Probe};
use crate::train::schedule::Budget;
use crate::train::step::{Source, Trainer};

/// Progress of the linear probe.
pub(super) enum Baseline {
    /// Pooled rows of the frozen encoder are being computed, for a linear probe with this order and budget.
    Features(Features, Order, Budget),
    /// The linear probe is being trained on them.
    Probe(Box<Probe>),
    /// It is finished.
    Known,
}

impl Baseline {
    /// Prepares the linear probe. It needs the rows of its batches and the watched ones.
    pub(super) fn new(setup: &Setup, events: &mut Events) -> Result<Self> {
        let (train_rows, held_out) = (setup.examples.train_rows, setup.examples.held_out().len());
        // If the linear probe is the method itself, it is trained on all rows.
        let most = if setup.has_prompt() { setup.limits.learned } else { train_rows };
        let learned = setup.examples.learned(most, setup.config.seed);
        let watched = setup.examples.watched.len();
        if learned.len() < train_rows {
            events
                .warn(format!("the linear probe is trained on a sample of {} of the {train_rows} training rows", learned.len()));
        }
        if watched < held_out {
            events.warn(format!(
                "evaluations during training use a sample of {watched} of the {held_out} held-out rows; the final evaluation uses all of them"
            ));
        }
        let budget = Budget::new(&setup.config, learned.len())?;
        let order = Order::over(learned, setup.config.optim.batch_size, setup.config.seed);
        let mut examples = order.reach(budget.steps);
        examples.extend(&setup.examples.watched);
        Ok(Baseline::Features(Features::new(setup.model.spec().hidden, examples), order, budget))
    }

    /// Computes one more batch of features, or some more steps of the linear probe.
    pub(super) async fn advance(
        self,
        setup: &Setup,
        results: &mut Results,
        events: &mut Events,
        trainer: &mut Option<Trainer>,
    ) -> Result<Self> {
        Ok(match self {
            Baseline::Features(mut features, order, budget) if features.len() < features.total() => {
                let examples = features.missing(EVAL_BATCH).iter().map(|&example| &setup.examples.all[example]);
                let batch = Arc::new(PackedBatch::new(examples, 0));
                let none = Tensor::<2>::zeros([1, setup.model.spec().hidden], &setup.compute.device);
                let head = Head::new(&setup.config.head, 0, false, setup.model.weights(), &setup.compute.device)?;
                let pooled = setup.compute.encoder.encode(&batch, Inputs::new(Prompt::None(none)), head.pooling())?;
                features.extend(&read(pooled).await?);
                setup.compute.encoder.check()?;
                let (done, total) = (features.len(), features.total() + budget.steps);
                events.push(Event::Preparing { done, total });
                Baseline::Features(features, order, budget)
            }
            Baseline::Features(features, order, budget) => {
                let features = Arc::new(features);
                let trainer = setup.trainer(Source::Features(features.clone()), &without_prompt(&setup.config)).await?;
                Baseline::Probe(Box::new(Probe::new(features, trainer, order, budget)))
            }
            Baseline::Probe(mut probe) if probe.step() < probe.steps() => {
                probe.train(&setup.examples).await?;
                let texts = probe.features().total();
                events.push(Event::Preparing { done: texts + probe.step(), total: texts + probe.steps() });
                Baseline::Probe(probe)
            }
            Baseline::Probe(probe) => {
                if trainer.is_none() {
                    *trainer = Some(setup.trainer(Source::Features(probe.features()), &setup.config).await?);
                }
                results.probe = probe.into_best();
                if let Some(Best { metrics, .. }) = &results.probe {
                    events.push(Event::Probe { accuracy: metrics.accuracy, macro_f1: metrics.macro_f1 });
                }
                Baseline::Known
            }
            Baseline::Known => Baseline::Known,
        })
    }
}
