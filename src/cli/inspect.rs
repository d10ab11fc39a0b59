//! `softprompt inspect`.

use std::path::Path;

use serde::Serialize;

use crate::adapter::{Adapter, AdapterMetrics, BaseModel};
use crate::cli::args::InspectArgs;
use crate::cli::files::Zipped;
use crate::cli::output::{count, one_line, percent, thousands};
use crate::cli::{Context, data, files, unseen};
use crate::config::{DataConfig, Generator, HeadKind, Method, Reads, RunConfig};
use crate::data::dataset::{ColumnChoice, DataReport, usable_texts};
use crate::data::table::{Format, Table};
use crate::error::Result;

/// Number of rows in the preview.
const PREVIEW_ROWS: usize = 5;

/// The object of `--json`.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Found<'a> {
    Adapter {
        base_model: &'a BaseModel,
        labels: &'a [String],
        metrics: Option<AdapterMetrics>,
        prompt_length: usize,
        prompt_parameters: usize,
        head_parameters: usize,
        loads_in_peft: bool,
        data_sha256: Option<&'a str>,
        config: &'a RunConfig,
    },
    Data {
        columns: &'a [String],
        rows: usize,
        has_header: bool,
        header_row: Option<u64>,
        sheets: &'a [String],
        sheet: Option<&'a str>,
        format: Format,
        encoding: &'a str,
        separator: char,
        text_column: &'a str,
        label_column: &'a str,
        report: &'a DataReport,
        preview: &'a [Vec<String>],
        /// What the named encoder cannot represent in the texts.
        encoder_notes: &'a [String],
    },
}

/// Shows what an adapter or a data file contains.
///
/// # Errors
/// If it cannot be read, or is neither.
pub(crate) fn run(context: &Context, args: &InspectArgs) -> Result<()> {
    let path = &args.path;
    if path.is_dir() {
        return adapter(context, path, &files::read_adapter(path)?);
    }
    let bytes = data::bytes(path)?;
    let named_zip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
    match files::zipped(&bytes) {
        Some(Zipped::Adapter) => return adapter(context, path, &files::read_adapter(path)?),
        Some(Zipped::Damaged) if named_zip => return adapter(context, path, &files::read_adapter(path)?),
        Some(Zipped::Other(names)) if named_zip => return Err(files::other_zip(path, &names)),
        // A workbook, or a document whose kind the table's reader names.
        _ => {}
    }
    let config = DataConfig {
        text_column: args.text_column.clone(),
        label_column: args.label_column.clone(),
        merge_labels: args.merge_labels,
        split_column: args.split_column.clone(),
        ..args.reading.config()
    };
    let table = data::in_file(path, Table::read(&bytes, &config))?;
    data::warn_of_idle_flags(context, &config, &[&table], false);
    let unseen = match &args.model {
        Some(name) => {
            let texts = usable_texts(&table, data::in_file(path, ColumnChoice::guess(&table, &config))?, &config);
            unseen::notes(&context.models().load(name)?, texts.iter().map(String::as_str), config.max_tokens)?
        }
        None => Vec::new(),
    };
    data_file(context, path, &table, &config, &unseen)
}

fn adapter(context: &Context, path: &Path, adapter: &Adapter) -> Result<()> {
    let of_data = ["--text-column", "--label-column", "--merge-labels", "--split-column", "--header-row", "--sheet", "--model"];
    for note in context.given.misplaced(&of_data, "it belongs to data files, and this is an adapter") {
        context.warn(&note);
    }
    let (base, config) = (&adapter.base_model, &adapter.config);
    let prompt_parameters = adapter.stored.iter().map(|matrix| matrix.values.len()).sum();
    let head_parameters = adapter.head_weight.len() + adapter.head_bias.len();
    context.output.object(&Found::Adapter {
        base_model: base,
        labels: &adapter.labels,
        metrics: adapter.metrics,
        prompt_length: adapter.prompt_length(),
        prompt_parameters,
        head_parameters,
        loads_in_peft: adapter.is_peft(),
        data_sha256: adapter.data_sha256.as_deref(),
        config,
    })?;
    let reads = match config.head.kind {
        HeadKind::Mean if adapter.method() == Method::Deep => "the mean of the text’s tokens",
        HeadKind::Mean => "the mean of all tokens",
        HeadKind::Text => "the mean of the text’s tokens",
        HeadKind::Cls => "the [CLS] token",
        HeadKind::Peft => "the first token through the pooler, as in PEFT",
    };
    let rows = match (adapter.method(), adapter.prompt_length()) {
        (_, 0) => "none".to_owned(),
        (Method::Deep, length) => count(length, "prefix row", "prefix rows"),
        (Method::Ensemble, length) => format!("{} of {}", adapter.members(), count(length, "virtual token", "virtual tokens")),
        (_, length) => count(length, "virtual token", "virtual tokens"),
    };
    let prompt = if adapter.stored.is_empty() { rows } else { format!("{rows} ({} parameters)", thousands(prompt_parameters)) };
    let size = |what, size: Option<usize>| size.map(|size| format!(", {what} {size}")).unwrap_or_default();
    let steps = config.optim.steps.map_or_else(|| count(config.optim.epochs, "epoch", "epochs"), |n| count(n, "step", "steps"));
    let peft = match adapter.method() {
        _ if adapter.is_peft() => "can load it",
        Method::Prompt | Method::Deep => "cannot load it (train with --head peft)",
        _ => "cannot load it: PEFT does not have this method",
    };
    let mut rows = vec![
        ("encoder", format!("{}{}, hidden {}", one_line(&base.name, 100), size("layers", base.layers), base.hidden)),
        ("method", method(adapter)),
        ("prompt", prompt),
        ("head", format!("linear layer on {reads} ({} parameters)", thousands(head_parameters))),
        ("labels", format!("{}: {}", adapter.labels.len(), one_line(&adapter.labels.join(", "), 300))),
        ("training", format!("{steps}, batch size {}, seed {}", config.optim.batch_size, config.seed)),
        ("PEFT", peft.to_owned()),
    ];
    if let Some(metrics) = adapter.metrics {
        let figures = format!(
            "accuracy {}, macro-F1 {} (linear probe {}, majority class {})",
            percent(metrics.accuracy),
            percent(metrics.macro_f1),
            percent(metrics.probe_accuracy),
            percent(metrics.majority_accuracy)
        );
        rows.insert(5, ("held out", figures));
    }
    let lines: Vec<String> = rows.iter().map(|(name, value)| format!("  {name:9} {value}")).collect();
    context.output.line(&format!("{}: an adapter\n{}", path.display(), lines.join("\n")))
}

/// The method in a few words.
fn method(adapter: &Adapter) -> String {
    let prompt = &adapter.config.prompt;
    let mut text = match adapter.method() {
        Method::Probe => "linear probe".to_owned(),
        Method::Late => {
            let layer = prompt.late.layer.or(adapter.base_model.layers.map(|layers| layers / 2));
            let layer = layer.map_or("half of the layers".to_owned(), |layer| format!("layer {layer}"));
            let made = match prompt.late.generator {
                Generator::None => "free rows".to_owned(),
                Generator::Naive => {
                    let row = if prompt.late.reads == Reads::Mean { " on the mean of the tokens" } else { "" };
                    format!("naive generator with bottleneck {}{row}", prompt.late.bottleneck)
                }
                Generator::Average => format!("average pooling generator with bottleneck {}", prompt.late.bottleneck),
                Generator::Max => format!("max pooling generator with bottleneck {}", prompt.late.bottleneck),
            };
            format!("late prompt tuning after {layer}, {made}")
        }
        Method::Efficient if prompt.efficient.update => {
            format!("efficient prompt tuning, embedding update of rank {}", prompt.efficient.rank)
        }
        Method::Efficient => "efficient prompt tuning without embedding update".to_owned(),
        Method::Deep => "P-tuning v2 (a prefix in every layer)".to_owned(),
        Method::Ensemble => "prompt ensemble".to_owned(),
        Method::Prompt | Method::Progressive | Method::Auto => "prompt tuning".to_owned(),
    };
    if prompt.method == Method::Progressive {
        text += ", progressive (partial encoders first)";
    }
    if prompt.prune.is_some() {
        text += ", pruned";
    }
    text
}

fn data_file(context: &Context, path: &Path, file: &Table, config: &DataConfig, unseen: &[String]) -> Result<()> {
    let columns = data::in_file(path, ColumnChoice::guess(file, config))?;
    let report = DataReport::with_config(file, columns, config);
    let preview = &file.rows[..file.rows.len().min(PREVIEW_ROWS)];
    context.output.object(&Found::Data {
        columns: &file.columns,
        rows: file.rows.len(),
        has_header: file.has_header,
        header_row: file.header_row,
        sheets: &file.sheets,
        sheet: file.sheet.as_deref(),
        format: file.format,
        encoding: file.encoding,
        separator: file.separator,
        text_column: &file.columns[columns.text],
        label_column: &file.columns[columns.label],
        report: &report,
        preview,
        encoder_notes: unseen,
    })?;
    context.output.line(&data::describe(&path.display().to_string(), file, columns, &report))?;
    for note in unseen {
        context.output.line(&format!("note: {note}"))?;
    }
    let rows: Vec<Vec<String>> = preview
        .iter()
        .map(|cells| vec![one_line(cells[columns.label].trim(), 30), one_line(cells[columns.text].trim(), 90)])
        .collect();
    // The last column is not aligned: texts are shown from their beginning.
    let width = rows.iter().map(|row| row[0].chars().count()).max().unwrap_or(0);
    let lines: Vec<String> = rows.iter().map(|row| format!("  {:width$}  {}", row[0], row[1])).collect();
    context.output.line(&format!("first rows:\n{}", lines.join("\n")))
}
