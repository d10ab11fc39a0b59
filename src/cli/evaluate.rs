//! `softprompt eval`.

use std::borrow::Cow;
use std::path::Path;

use pollster::block_on;
use serde::Serialize;

use crate::adapter::Adapter;
use crate::cli::args::EvalArgs;
use crate::cli::output::{class_table, count, percent};
use crate::cli::{Context, data, files, progress, unseen};
use crate::config::DataConfig;
use crate::data::dataset::{ClassIndex, ColumnChoice, Reading, held_out_rows};
use crate::data::table::Table;
use crate::error::{Error, Result};
use crate::eval::answers::Answers;
use crate::eval::interval::Interval;
use crate::eval::{ClassMetrics, majority_accuracy};
use crate::predict::Predictor;
use crate::predict::file::{label_column, text_column};

/// Texts per update of the progress bar.
const CHUNK: usize = 128;
/// Maximum number of classes to list in a hint.
const LISTED: usize = 20;

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
    texts: Vec<Cow<'a, str>>,
    truth: Vec<u32>,
    skipped: usize,
}

/// Evaluates an adapter on a file.
///
/// # Errors
/// Errors of the adapter, the data (such as an unknown label, with its row), the encoder or the device.
pub(crate) fn run(context: &Context, args: &EvalArgs) -> Result<()> {
    let adapter = files::read_adapter(&args.adapter)?;
    let table = data::read(&args.data, &args.reading.config())?;
    data::warn_of_idle_flags(context, &args.reading.config(), &[&table], false);
    let index = ClassIndex::new(&adapter.labels, adapter.config.data.merge_labels || args.merge_labels);
    let columns = data::in_file(&args.data, columns(&table, args, &adapter, &index))?;
    let part = data::in_file(&args.data, part(context, &table, columns, args, &adapter.config.data))?;
    let rows = rows(&args.data, &table, columns, part.as_deref(), (&adapter, &index))?;
    let labels = adapter.labels.clone();
    let model = context.models().load(args.model.model.as_deref().unwrap_or(&adapter.base_model.name))?;
    for note in unseen::notes(&model, rows.texts.iter().map(AsRef::as_ref), adapter.config.data.max_tokens)? {
        context.output.note(&format!("note: {note}"));
    }
    let predictor = block_on(Predictor::new(model, adapter, args.device.unwrap_or_default()))?;

    let bar = progress::texts(rows.texts.len(), !context.output.is_json());
    let mut scores = Vec::with_capacity(rows.texts.len() * labels.len());
    for chunk in rows.texts.chunks(CHUNK) {
        let chunk: Vec<&str> = chunk.iter().map(AsRef::as_ref).collect();
        scores.extend(block_on(predictor.logits(&chunk))?);
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
        n => format!("; {} without text or label left out", count(n, "row", "rows")),
    };
    context.output.line(&format!(
        "{} of {} on {}{skipped}\n\n\
         accuracy        {:>6}   95% confidence interval {}\n\
         macro-F1        {:>6}   95% confidence interval {}\n\
         majority class  {:>6}   always predicting the most frequent class of the file\n\
         calibration     {:>6}   expected calibration error, 0 is perfect\n\n{}",
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

/// The named columns; otherwise those of the training, if this file has them; otherwise the column with the adapter's labels;
/// otherwise a guess.
fn columns(table: &Table, args: &EvalArgs, adapter: &Adapter, index: &ClassIndex) -> Result<ColumnChoice> {
    let trained = &adapter.config.data;
    let guess = |text: Option<&String>, label: Option<&String>| {
        let config = DataConfig { text_column: text.cloned(), label_column: label.cloned(), ..DataConfig::default() };
        ColumnChoice::guess(table, &config)
    };
    let (text, label) = (args.text_column.as_ref(), args.label_column.as_ref());
    let as_trained = guess(text.or(trained.text_column.as_ref()), label.or(trained.label_column.as_ref()));
    if trained.label_column.is_some() || label.is_some() {
        return as_trained.or_else(|_| guess(text, label));
    }
    let found = text_column(table, text, trained)?;
    match label_column(table, found, adapter, index) {
        Some(label) => Ok(ColumnChoice { text: found, label }),
        None => as_trained.or_else(|_| guess(text, label)),
    }
}

/// The rows to measure: the held-out rows of a split column; otherwise `None` for all rows.
fn part(
    context: &Context,
    table: &Table,
    columns: ColumnChoice,
    args: &EvalArgs,
    trained: &DataConfig,
) -> Result<Option<Vec<bool>>> {
    let given = args.split_column.clone().or_else(|| trained.split_column.clone());
    let named = args.split_column.is_some();
    let held_out = held_out_rows(table, columns, &DataConfig { split_column: given, ..DataConfig::default() });
    // Another file need not have the column that was used in training.
    let held_out = held_out.or_else(|error| if named { Err(error) } else { Ok(None) })?;
    if let Some(rows) = &held_out {
        let rows = rows.iter().filter(|row| **row).count();
        context.output.note(&format!(
            "note: the file has a split column: only its {} are measured; --split-column none measures all rows",
            count(rows, "held-out row", "held-out rows")
        ));
    }
    Ok(held_out)
}

fn rows<'a>(
    path: &Path,
    table: &'a Table,
    columns: ColumnChoice,
    part: Option<&[bool]>,
    (adapter, index): (&Adapter, &ClassIndex),
) -> Result<Rows<'a>> {
    let (texts, labels) = (Reading::of_texts(table, columns.text), Reading::of_labels(table, columns.label));
    let mut rows = Rows { texts: Vec::new(), truth: Vec::new(), skipped: 0 };
    for (at, (cells, &row)) in table.rows.iter().zip(&table.row_numbers).enumerate() {
        if part.is_some_and(|part| !part[at]) {
            continue;
        }
        let (text, label) = (texts.value(&cells[columns.text]), labels.value(&cells[columns.label]));
        if text.is_empty() || label.is_empty() || table.ragged.binary_search(&row).is_ok() {
            rows.skipped += 1;
            continue;
        }
        rows.texts.push(text);
        rows.truth.push(index.find(&label).ok_or_else(|| {
            let similar = index.similar(&label).map(|class| &adapter.labels[class as usize]);
            let merge = similar.map(|similar| format!("; --merge-labels treats it as `{similar}`")).unwrap_or_default();
            Error::Data {
                problem: format!("{}: the adapter does not know the label `{label}`", path.display()),
                hint: format!("it knows {}{merge}; --label-column selects another column", some_of(&adapter.labels)),
                row: Some(row),
                column: Some(table.columns[columns.label].clone()),
            }
        })?);
    }
    if rows.texts.is_empty() {
        let hint = "name the columns with --text-column and --label-column";
        return Err(Error::data(format!("{}: no row has a text and a label", path.display()), hint));
    }
    Ok(rows)
}

/// The first of many classes.
fn some_of(labels: &[String]) -> String {
    let list = labels.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match labels.len().saturating_sub(LISTED) {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}
