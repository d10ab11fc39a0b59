//! `softprompt predict`.

use std::borrow::Cow;
use std::io::{BufRead, IsTerminal, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use pollster::block_on;
use serde::Serialize;

use crate::cli::args::PredictArgs;
use crate::cli::files::{self, system_error};
use crate::cli::output::{one_line, percent};
use crate::cli::{Context, data, unseen};
use crate::config::DataConfig;
use crate::data::dataset::Reading;
use crate::data::table::{Table, Written};
use crate::error::{Error, Result};
use crate::predict::file::text_column;
use crate::predict::{LabelProbability, Prediction, Predictor};

/// Maximum number of texts in one prediction.
const MOST_TEXTS: usize = 256;
/// Number of further classes that are shown with their probability.
const RUNNERS_UP: usize = 2;
/// Maximum number of bytes of a line of stdin, which may have no end.
const LONGEST_LINE: u64 = 1_000_000;
/// Maximum number of characters of a text that are shown.
const TEXT_WIDTH: usize = 120;

/// A text and its position.
struct Text {
    /// Row of the file or line of stdin, counted from 1.
    row: u64,
    text: String,
}

/// A line of `--json`. An empty text has no label.
#[derive(Serialize)]
struct Labelled<'a> {
    row: u64,
    text: &'a str,
    label: Option<&'a str>,
    probabilities: &'a [LabelProbability],
}

/// Predicts the classes of texts, in their order, as they arrive.
///
/// # Errors
/// Errors of the adapter, the encoder, the device or the texts.
pub(crate) fn run(context: &Context, args: &PredictArgs) -> Result<()> {
    let adapter = files::read_adapter(&args.adapter)?;
    let texts = args.file.as_deref().map(|file| from_file(context, file, args, &adapter.config.data)).transpose()?;
    let model = context.models().load(args.model.model.as_deref().unwrap_or(&adapter.base_model.name))?;
    if let Some(texts) = &texts {
        for note in unseen::notes(&model, texts.iter().map(|text| text.text.as_str()), adapter.config.data.max_tokens)? {
            context.output.note(&format!("note: {note}"));
        }
    }
    let device = args.device.unwrap_or_default();
    let predictor = block_on(Predictor::new(model, adapter, device))?;
    if let Some(texts) = texts {
        for chunk in texts.chunks(MOST_TEXTS) {
            show(context, &predictor, chunk)?;
        }
        return Ok(());
    }
    if std::io::stdin().is_terminal() {
        context.output.note("Type a text and press Enter; Ctrl-D ends the input.");
    }
    let lines = stdin_lines();
    // Lines that are already there are predicted together; the first line never waits for a second one.
    while let Ok(first) = lines.recv() {
        let texts: Result<Vec<Text>> = std::iter::once(first).chain(lines.try_iter().take(MOST_TEXTS - 1)).collect();
        show(context, &predictor, &texts?)?;
    }
    Ok(())
}

fn show(context: &Context, predictor: &Predictor, texts: &[Text]) -> Result<()> {
    if context.output.is_closed() {
        return Ok(());
    }
    let empty: Vec<bool> = texts.iter().map(|text| predictor.is_empty(&text.text)).collect();
    let filled: Vec<&str> = texts.iter().zip(&empty).filter(|(_, empty)| !**empty).map(|(text, _)| text.text.as_str()).collect();
    let mut predictions = block_on(predictor.predict(&filled))?.into_iter();
    let width = predictor.adapter().labels.iter().map(|label| one_line(label, 30).chars().count()).max().unwrap_or(0);
    for (text, empty) in texts.iter().zip(empty) {
        let prediction = if empty { None } else { predictions.next() };
        context.output.object(&Labelled {
            row: text.row,
            text: &text.text,
            label: prediction.as_ref().map(|prediction| prediction.label.as_str()),
            probabilities: prediction.as_ref().map_or(&[], |prediction| &prediction.probabilities),
        })?;
        context.output.line(&for_people(prediction.as_ref(), &text.text, width))?;
    }
    Ok(())
}

/// `Label          97.3%  add this song  (Other 1.2%, Third 0.4%)`.
fn for_people(prediction: Option<&Prediction>, text: &str, width: usize) -> String {
    let Some(prediction) = prediction else {
        return format!("{:width$}", "-").trim_end().to_owned();
    };
    let share = |class: &LabelProbability| percent(f64::from(class.probability));
    let first = prediction.probabilities.first().map(share).unwrap_or_default();
    let others = prediction.probabilities.iter().skip(1).take(RUNNERS_UP);
    let others: Vec<_> = others.map(|class| format!("{} {}", one_line(&class.label, 30), share(class))).collect();
    let text = one_line(text.trim(), TEXT_WIDTH);
    format!("{:width$}  {first:>6}  {text}  ({})", one_line(&prediction.label, 30), others.join(", "))
}

/// Lines of stdin as they arrive, read by a separate thread because reading blocks.
fn stdin_lines() -> Receiver<Result<Text>> {
    let (sender, receiver) = sync_channel(MOST_TEXTS);
    thread::spawn(move || {
        let name = Path::new("stdin");
        let mut stdin = std::io::stdin().lock();
        for row in 1.. {
            let mut bytes = Vec::new();
            let line = match stdin.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut bytes) {
                Ok(0) => break,
                Ok(_) => line(name, row, bytes),
                Err(error) => Err(system_error(name, &error)),
            };
            let over = line.is_err();
            // The receiver is gone when the program is about to end.
            if sender.send(line).is_err() || over {
                break;
            }
        }
    });
    receiver
}

/// A line as text, without its line break.
fn line(name: &Path, row: u64, bytes: Vec<u8>) -> Result<Text> {
    let wrong = |problem: &str, hint: &str| Error::Data {
        problem: format!("{}: {problem}", name.display()),
        hint: hint.to_owned(),
        row: Some(row),
        column: None,
    };
    let encoding = "convert it to UTF-8, or save it and give it with --file, which reads every encoding";
    if bytes.contains(&0) {
        // In UTF-16, every second byte of most texts is zero. As UTF-8 it would be text of twice the length.
        return Err(wrong("the line has NUL bytes, as in UTF-16 or a binary file", encoding));
    }
    if bytes.len() as u64 > LONGEST_LINE && !bytes.ends_with(b"\n") {
        let problem = format!("the line does not end within {} MB, which is the limit", LONGEST_LINE / 1_000_000);
        return Err(wrong(&problem, "give one text per line"));
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong("the line is not UTF-8 text", encoding))?;
    let text = if row == 1 { text.strip_prefix('\u{feff}').unwrap_or(&text) } else { &text };
    Ok(Text { row, text: text.trim_end_matches(['\n', '\r']).to_owned() })
}

fn from_file(context: &Context, path: &Path, args: &PredictArgs, trained: &DataConfig) -> Result<Vec<Text>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let written = if args.text_column.is_some() { Written::Table } else { Written::by_name(&name) };
    let table = data::in_file(
        path,
        Table::of_texts(&data::bytes(path)?, written, trained.text_column.as_deref(), &args.reading.config()),
    )?;
    data::warn_of_idle_flags(context, &args.reading.config(), &[&table], false);
    for note in &table.notes {
        context.output.note(&format!("note: {}", one_line(note, 400)));
    }
    let column = data::in_file(path, text_column(&table, args.text_column.as_ref(), trained))?;
    if table.columns.len() > 1 && args.text_column.is_none() && trained.text_column.as_ref() != Some(&table.columns[column]) {
        let name = one_line(&table.columns[column], 40);
        context.output.note(&format!("note: the texts are read from column `{name}`; --text-column selects another column"));
    }
    let reading = Reading::of_texts(&table, column);
    let text = |cell: &str| match reading.value(cell) {
        Cow::Borrowed(_) => cell.to_owned(),
        Cow::Owned(text) => text,
    };
    Ok(table.rows.iter().zip(&table.row_numbers).map(|(cells, &row)| Text { row, text: text(&cells[column]) }).collect())
}
