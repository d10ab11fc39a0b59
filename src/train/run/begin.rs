//! The start of a run: tokenises the texts, opens the device, and initialises everything that is trained.

use std::sync::Arc;

use web_time::Instant;

use super::account::Account;
use super::baseline::Baseline;
use super::events::Events;
use super::progress::{Progress, Rounds};
use super::results::Results;
use super::setup::{SampleLimits, Setup};
use super::training::Training;
use super::{Phase, Run};
use crate::config::RunConfig;
use crate::data::batch::{Example, PackedBatch};
use crate::data::dataset::{Dataset, TextRow};
use crate::encoder::Encoder;
use crate::error::Result;
use crate::eval::majority_accuracy;
use crate::model::spec::EncoderSpec;
use crate::prompt::{self, Sizes};
use crate::text::unseen::Unseen;
use crate::train::event::Event;
use crate::train::examples::Examples;
use crate::train::features::Features;
use crate::train::order::Order;
use crate::train::schedule::Budget;
use crate::train::step::Source;

impl Run {
    /// Tokenises the texts, opens the device and prepares the run; the first event is [`Event::Started`].
    ///
    /// # Errors
    /// [`Error::Config`](crate::error::Error::Config) for an invalid setting, [`Error::Device`](crate::error::Error::Device) if
    /// the device of the config cannot be used, [`Error::Model`](crate::error::Error::Model) if the encoder lacks something that
    /// the config needs.
    pub async fn start(model: Encoder, dataset: Dataset, config: RunConfig) -> Result<Self> {
        Self::with_limits(model, dataset, config, SampleLimits::default()).await
    }

    /// [`Run::start`] with other limits.
    ///
    /// # Errors
    /// As [`Run::start`].
    pub async fn with_limits(model: Encoder, dataset: Dataset, config: RunConfig, limits: SampleLimits) -> Result<Self> {
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
        let setup = Setup {
            data_sha256: dataset.sha256(),
            examples: Examples::new(examples, train_rows, dataset.labels.clone(), limits.watched, config.seed),
            compute: chosen.compute,
            model,
            majority_accuracy,
            config,
            limits,
        };
        let progress = Progress::new(Rounds::new(budget, &setup.config, &*method));
        let (mut account, mut events) = (Account::new(begin), Events::default());
        setup.check_pruning()?;
        // Created before anything slow, so that an unusable setting is reported immediately.
        let source = match setup.has_prompt() {
            true => Source::Encoder(setup.compute.encoder.clone()),
            false => Source::Features(Arc::new(Features::new(hidden, Vec::new()))),
        };
        let trainer = setup.trainer(source, &setup.config).await?;
        let (prompt_parameters, head_parameters) = trainer.counts();
        (account.cost.prompt_parameters, account.cost.head_parameters) = (prompt_parameters, head_parameters);
        events.push(Event::Started {
            train_rows,
            held_out_rows: setup.examples.held_out().len(),
            classes: setup.examples.labels.clone(),
            steps: progress.all_steps(),
            device: setup.compute.name.clone(),
            device_reason: chosen.reason,
            majority_accuracy,
            prompt_parameters,
            head_parameters,
            truncated_texts,
        });
        if truncated_texts > 0 {
            let (noun, verb) = if truncated_texts == 1 { ("text", "is") } else { ("texts", "are") };
            events.warn(format!("{truncated_texts} {noun} {verb} longer than {limit} tokens and {verb} truncated"));
        }
        for note in unseen.notes() {
            events.warn(note);
        }
        let has_prompt = setup.has_prompt();
        let baseline = if has_prompt && limits.learned == 0 { Baseline::Known } else { Baseline::new(&setup, &mut events)? };
        let order = |member| Order::of_member(member, train_rows, setup.config.optim.batch_size, setup.config.seed);
        let orders = (0..members).map(order).collect();
        let training = Training::new(baseline, has_prompt.then_some(trainer), orders);
        Ok(Self {
            setup,
            progress,
            account,
            results: Results::default(),
            events,
            phase: Some(Phase::Training(Box::new(training))),
            stopping: false,
            chosen: false,
        })
    }
}
