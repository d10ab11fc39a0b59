//! The start of a run: tokenises the texts, opens the device, and initialises everything that is trained.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use burn::tensor::Tensor;
use web_time::Instant;

use super::account::Piece;
use super::baseline::Baseline;
use super::rounds::Rounds;
use super::{Progress, Run, Stage, Training};
use crate::config::RunConfig;
use crate::data::batch::{Example, PackedBatch};
use crate::data::dataset::{Dataset, TextRow};
use crate::engine::boundary::FrozenEncoder;
use crate::engine::compute::read;
use crate::error::Result;
use crate::eval::majority_accuracy;
use crate::model::Model;
use crate::model::head::Head;
use crate::model::spec::EncoderSpec;
use crate::predict::EVAL_BATCH;
use crate::prompt::{self, Sizes, Start};
use crate::rng::Rng;
use crate::text::unseen::Unseen;
use crate::train::cost::Cost;
use crate::train::event::Event;
use crate::train::examples::{Examples, Scored};
use crate::train::features::Features;
use crate::train::order::Order;
use crate::train::schedule::Budget;
use crate::train::step::{Source, Trainer};

/// Numbers of rows from which samples are used, stratified by class; the same seed gives the same sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Held-out rows of an evaluation during training; the final evaluation uses all of them.
    pub watched: usize,
    /// Training rows of the linear probe beside a prompt; with 0 there is no linear probe, and its accuracy is reported as 0.
    pub learned: usize,
}

impl Default for Limits {
    /// The standard error of an accuracy on 2,000 rows is at most 1.1 percentage points, and 0.5 at 95 % accuracy. The linear
    /// probe needs its rows: on the texts of `benches/import.rs` it reaches 98.5 % with 500 of them, 98.9 with 2,000, 99.2 with
    /// 5,000 and
    /// 99.7 with 20,000,
    /// so a small sample would favour the prompt. A row costs one pass and 4 D bytes; only memory sets the limit (150 MB for D =
    /// 384).
    fn default() -> Self {
        Self { watched: 2000, learned: 100_000 }
    }
}

impl Run {
    /// Tokenises the texts, opens the device and prepares the run; the first event is [`Event::Started`].
    ///
    /// # Errors
    /// [`Error::Config`](crate::error::Error::Config) for an invalid setting, [`Error::Device`](crate::error::Error::Device) if
    /// the device of the config cannot be used, [`Error::Model`](crate::error::Error::Model) if the encoder lacks something that
    /// the config needs.
    pub async fn start(model: Model, dataset: Dataset, config: RunConfig) -> Result<Self> {
        Self::with_limits(model, dataset, config, Limits::default()).await
    }

    /// [`Run::start`] with other limits.
    ///
    /// # Errors
    /// As [`Run::start`].
    pub async fn with_limits(model: Model, dataset: Dataset, config: RunConfig, limits: Limits) -> Result<Self> {
        config.validate()?;
        let begin = Instant::now();
        let method = prompt::method(&config, model.spec());
        let limit = model.text_limit(config.data.max_tokens, method.prompt_length())?;
        let (train_rows, members) = (dataset.train.len(), method.members());
        let &EncoderSpec { hidden, layers, .. } = model.spec();
        prompt::check_size(&*method, Sizes { hidden, layers, longest: limit }, dataset.labels.len())?;
        let budget = Budget::new(&config, train_rows)?;
        let rows: Vec<&TextRow> = dataset.train.iter().chain(&dataset.held_out).collect();
        let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        let encoded = model.tokenizer().encode_batch(&texts, limit)?;
        let mut unseen = Unseen::default();
        for (text, encoded) in texts.iter().zip(&encoded) {
            unseen.add(model.tokenizer(), text, encoded)?;
        }
        let truncated_texts = encoded.iter().filter(|encoded| encoded.cut > 0).count();
        let examples: Vec<Example> =
            encoded.into_iter().zip(&rows).map(|(encoded, row)| Example { tokens: encoded.ids, label: row.label }).collect();
        let sample = PackedBatch::new(examples.iter().take(config.optim.batch_size), method.prompt_length());
        let chosen = model.compute(config.device, &Arc::new(sample)).await?;
        chosen.compute.encoder.set_recompute(config.recompute);
        let (truth_train, truth_held_out): (Vec<u32>, Vec<u32>) =
            (dataset.train.iter().map(|row| row.label).collect(), dataset.held_out.iter().map(|row| row.label).collect());
        let majority_accuracy = majority_accuracy(&truth_train, &truth_held_out);
        let mut run = Self {
            data_sha256: dataset.sha256(),
            examples: Examples::new(examples, train_rows, dataset.labels.clone(), limits.watched, config.seed),
            compute: chosen.compute,
            stage: None,
            pending: VecDeque::new(),
            probe: None,
            progress: Progress { group: 1, ..Progress::default() },
            rounds: Rounds::new(&config, &*method),
            best: None,
            stopping: false,
            chosen: false,
            begin,
            earlier: Duration::ZERO,
            cost: Cost::default(),
            piece: Piece::default(),
            model,
            budget,
            majority_accuracy,
            config,
            limits,
        };
        run.check_pruning()?;
        // Created before anything slow, so that an unusable setting is reported immediately.
        let source = match run.has_prompt() {
            true => Source::Encoder(run.compute.encoder.clone()),
            false => Source::Features(Arc::new(Features::new(run.model.spec().hidden, Vec::new()))),
        };
        let trainer = run.trainer(source, &run.config).await?;
        let (prompt_parameters, head_parameters) = trainer.counts();
        (run.cost.prompt_parameters, run.cost.head_parameters) = (prompt_parameters, head_parameters);
        run.pending.push_back(Event::Started {
            train_rows,
            held_out_rows: run.examples.held_out().len(),
            classes: run.examples.labels.clone(),
            steps: run.all_steps(),
            device: run.compute.name.clone(),
            device_reason: chosen.reason,
            majority_accuracy,
            prompt_parameters,
            head_parameters,
            truncated_texts,
        });
        if truncated_texts > 0 {
            let (noun, verb) = if truncated_texts == 1 { ("text", "is") } else { ("texts", "are") };
            run.warn(format!("{truncated_texts} {noun} {verb} longer than {limit} tokens and {verb} truncated"));
        }
        for note in unseen.notes() {
            run.warn(note);
        }
        let baseline = if run.has_prompt() && limits.learned == 0 { Baseline::Known } else { run.baseline()? };
        run.stage = Some(Stage::Training(Box::new(Training {
            baseline,
            trainer: run.has_prompt().then_some(trainer),
            orders: (0..members)
                .map(|member| Order::of_member(member, train_rows, run.config.optim.batch_size, run.config.seed))
                .collect(),
            due: false,
            scored: Scored::default(),
        })));
        Ok(run)
    }

    /// An initial trainer, with the settings of the run or other settings for the same data.
    pub(super) async fn trainer(&self, source: Source, config: &RunConfig) -> Result<Trainer> {
        let method = prompt::method(config, self.model.spec());
        let (weights, hidden) = (self.model.weights(), self.model.spec().hidden);
        let states = match (method.entry(), &source) {
            (Some(layers), Source::Encoder(encoder)) => self.some_states(encoder, layers).await?,
            _ => Vec::new(),
        };
        let start = Start {
            states: &states,
            longest: self.model.text_limit(self.config.data.max_tokens, method.prompt_length())?,
            weights,
            tokenizer: self.model.tokenizer(),
            labels: &self.examples.labels,
            rng: Rng::stream(self.config.seed, "prompt"),
        };
        let initial = method.initial(start)?;
        let head = Head::initial(method.members() * self.examples.labels.len(), hidden);
        Trainer::new(&self.compute, source, weights, method, initial, head, config)
    }

    /// Hidden states `[n, D]` of the first training examples after some layers, on the host.
    async fn some_states(&self, encoder: &FrozenEncoder, layers: usize) -> Result<Vec<f32>> {
        let examples = self.examples.all.iter().take(self.examples.train_rows.min(EVAL_BATCH));
        let like = Tensor::<2>::zeros([1, 1], &self.compute.device);
        read(encoder.states(&Arc::new(PackedBatch::new(examples, 0)), layers, None, &like)?).await
    }
}
