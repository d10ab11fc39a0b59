//! `softprompt eval`.

use std::collections::HashMap;
use std::path::Path;

use pollster::block_on;
use serde::Serialize;

use crate::adapter::Adapter;
use crate::cli::args::EvalArgs;
use crate::cli::output::{class_table, count, percent};
use crate::cli::{Context, data, files, progress, unseen};
use crate::config::DataConfig;
use crate::data::dataset::ColumnChoice;
use crate::data::table::Table;
use crate::error::{Error, Result};
use crate::eval::answers::Answers;
use crate::eval::interval::Interval;
use crate::eval::{ClassMetrics, majority_accuracy};
use crate::predict::Predictor;

/// Texts between two moves of the bar.
const CHUNK: usize = 128;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Notice<'a> {
    /// The only line of `--json`.
    Done {
        accuracy: f64,
        accuracy_interval: Interval,
        macro_f1: f64,
        macro_f1_interval: Interval,
        calibration_error: f64,
        majority_accuracy: f64,
        rows: usize,
        skipped_rows: usize,
        device: &'a str,
        per_class: &'a [ClassMetrics],
        confusion: &'a [Vec<u64>],
    },
}

/// Labelled texts of a file, with labels that the adapter knows.
struct Rows<'a> {
    texts: Vec<&'a str>,
    truth: Vec<u32>,
    skipped: usize,
}

/// Measures an adapter on a file.
///
/// # Errors
/// What is wrong with the adapter, the data (a label that the adapter does not know, with its row), the encoder or the device.
pub(crate) fn run(context: &Context, args: &EvalArgs) -> Result<()> {
    let adapter = files::read_adapter(&args.adapter)?;
    let table = data::read(&args.data)?;
    let columns = data::in_file(&args.data, columns(&table, args, &adapter.config.data))?;
    let rows = rows(&args.data, &table, columns, &adapter)?;
    let labels = adapter.labels.clone();
    let model = context.models().load(args.model.model.as_deref().unwrap_or(&adapter.base_model.name))?;
    for note in unseen::notes(&model, rows.texts.iter().copied(), adapter.config.data.max_tokens)? {
        context.output.note(&format!("note: {note}"));
    }
    let predictor = block_on(Predictor::new(model, adapter, args.device.unwrap_or_default()))?;

    let bar = progress::texts(rows.texts.len(), !context.output.is_json());
    let mut scores = Vec::with_capacity(rows.texts.len() * labels.len());
    for chunk in rows.texts.chunks(CHUNK) {
        scores.extend(block_on(predictor.logits(chunk))?);
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    let majority = majority_accuracy(&rows.truth, &rows.truth);
    let answers = Answers::new(labels, (0..rows.texts.len()).collect(), rows.truth, &scores)?;
    let metrics = answers.metrics()?;
    let (accuracy_interval, macro_f1_interval) = (answers.accuracy_interval(), answers.macro_f1_interval());
    let calibration = answers.calibration();
    let skipped = match rows.skipped {
        0 => String::new(),
        n => format!(", {} without text or label left out", count(n, "row", "rows")),
    };
    context.output.line(&format!(
        "{} of {} on {}{skipped}\n\n\
         accuracy        {:>6}   {} with 95 % confidence\n\
         macro F1        {:>6}   {} with 95 % confidence\n\
         majority class  {:>6}   always the most frequent answer\n\
         calibration     {:>6}   expected difference of probability and accuracy, 0 is perfect\n\n{}",
        count(rows.texts.len(), "text", "texts"),
        args.data.display(),
        predictor.device(),
        percent(metrics.accuracy),
        between(accuracy_interval),
        percent(metrics.macro_f1),
        between(macro_f1_interval),
        percent(majority),
        percent(calibration.error),
        class_table(&metrics.per_class)
    ))?;
    context.output.object(&Notice::Done {
        accuracy: metrics.accuracy,
        accuracy_interval,
        macro_f1: metrics.macro_f1,
        macro_f1_interval,
        calibration_error: calibration.error,
        majority_accuracy: majority,
        rows: rows.texts.len(),
        skipped_rows: rows.skipped,
        device: predictor.device(),
        per_class: &metrics.per_class,
        confusion: &metrics.confusion,
    })
}

fn between(Interval { low, high }: Interval) -> String {
    format!("{} to {}", percent(low), percent(high))
}

/// The columns that were named, or those of the training where this file has them, or a guess.
fn columns(table: &Table, args: &EvalArgs, trained: &DataConfig) -> Result<ColumnChoice> {
    let guess = |text: Option<&String>, label: Option<&String>| {
        let config = DataConfig { text_column: text.cloned(), label_column: label.cloned(), ..DataConfig::default() };
        ColumnChoice::guess(table, &config)
    };
    let (text, label) = (args.text_column.as_ref(), args.label_column.as_ref());
    guess(text.or(trained.text_column.as_ref()), label.or(trained.label_column.as_ref())).or_else(|_| guess(text, label))
}

fn rows<'a>(path: &Path, table: &'a Table, columns: ColumnChoice, adapter: &Adapter) -> Result<Rows<'a>> {
    let index: HashMap<&str, u32> = adapter.labels.iter().map(String::as_str).zip(0..).collect();
    let mut rows = Rows { texts: Vec::new(), truth: Vec::new(), skipped: 0 };
    for (cells, &row) in table.rows.iter().zip(&table.row_numbers) {
        let (text, label) = (cells[columns.text].trim(), cells[columns.label].trim());
        if text.is_empty() || label.is_empty() || table.ragged.binary_search(&row).is_ok() {
            rows.skipped += 1;
            continue;
        }
        rows.texts.push(text);
        rows.truth.push(*index.get(label).ok_or_else(|| Error::Data {
            problem: format!("{}: the adapter does not know the label `{label}`", path.display()),
            hint: format!("it knows {}; --label-column names another column", adapter.labels.join(", ")),
            row: Some(row),
            column: Some(table.columns[columns.label].clone()),
        })?);
    }
    if rows.texts.is_empty() {
        let hint = "name the columns with --text-column and --label-column";
        return Err(Error::data(format!("{}: no row has a text and a label", path.display()), hint));
    }
    Ok(rows)
}
