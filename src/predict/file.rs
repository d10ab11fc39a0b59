//! A whole file classified: its rows as they are, with two more columns, the label and how likely it is.

use csv::{QuoteStyle, WriterBuilder};
use serde::Serialize;

use super::{EVAL_BATCH, Predictor};
use crate::adapter::Adapter;
use crate::config::DataConfig;
use crate::data::dataset::ColumnChoice;
use crate::data::table::Table;
use crate::error::{Error, Result};

const LABEL: &str = "predicted_label";
const PROBABILITY: &str = "predicted_probability";
/// A spreadsheet takes a cell that begins so for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
/// Rows that are shown of a file.
const PREVIEW_ROWS: usize = 5;

/// A file that is being classified, some rows at a time.
pub struct LabelledFile {
    columns: Vec<String>,
    has_header: bool,
    separator: u8,
    rows: Vec<Vec<String>>,
    labels: Vec<String>,
    text: usize,
    /// Where the file says what is right.
    truth: Option<usize>,
    notes: Vec<String>,
    /// Class and probability of the rows so far; none for a row without a text.
    answers: Vec<Option<(usize, f32)>>,
}

/// What is known before anything is classified.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct FileView {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, without the header.
    pub rows: usize,
    /// The column that is classified, counted from 0.
    pub text_column: usize,
    /// The column with the right labels, where there is one.
    pub label_column: Option<usize>,
    /// The first rows, cell by cell.
    pub preview: Vec<Vec<String>>,
    /// What the reader should know about the file.
    pub notes: Vec<String>,
}

/// How far it is, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct FileProgress {
    /// Rows that are done.
    pub done: usize,
    /// Rows of the file.
    pub rows: usize,
    /// Rows without a text, which get no label.
    pub empty: usize,
    /// Rows with a text whose right label the file has.
    pub judged: usize,
    /// Of these, the rows whose label was found.
    pub right: usize,
    /// Of these, the rows whose right label is none of the classes.
    pub unknown: usize,
    /// Rows of each class, in the order of the classes.
    pub counts: Vec<(String, usize)>,
}

impl LabelledFile {
    /// Reads a file: a table, or one text a row. `name` is that of the file; `text_column` is a name or a number counted from 1, where
    /// the column of the training, or else a guess, is not wanted.
    ///
    /// # Errors
    /// [`Error::Data`] for a file that cannot be read and for a column that is not there.
    pub fn open(bytes: &[u8], name: &str, adapter: &Adapter, text_column: Option<&str>) -> Result<Self> {
        let plain = name.to_lowercase().ends_with(".txt");
        let table = match Table::from_bytes(bytes) {
            Ok(table) if !plain || table.separator == '\t' => Ok(table),
            // Whatever is wrong with a row is told; a file with no second column is one of texts alone.
            Err(error) if !plain && matches!(&error, Error::Data { row: Some(_), .. }) => return Err(error),
            read => Err(read.err()),
        };
        match table {
            Ok(table) => Self::of_table(table, adapter, text_column),
            Err(error) => Self::of_texts(Table::single_column(bytes, !plain)?, adapter, error),
        }
    }

    fn of_table(table: Table, adapter: &Adapter, text_column: Option<&str>) -> Result<Self> {
        let named = text_column.map(str::to_owned);
        let text = self::text_column(&table, named.as_ref(), &adapter.config.data)?;
        let truth = truth_column(&table, text, adapter);
        let separator = if matches!(table.separator, '\t' | ';' | '|') { table.separator as u8 } else { b',' };
        let Table { columns, has_header, rows, notes, .. } = table;
        let labels = adapter.labels.clone();
        Ok(Self { columns, has_header, separator, rows, labels, text, truth, notes, answers: Vec::new() })
    }

    fn of_texts((cells, named): (Vec<String>, bool), adapter: &Adapter, unread: Option<Error>) -> Result<Self> {
        let mut rows: Vec<Vec<String>> = cells.into_iter().map(|cell| vec![cell]).collect();
        let column = if named { rows.remove(0).remove(0).trim().to_owned() } else { "text".to_owned() };
        if rows.iter().all(|cells| cells[0].trim().is_empty()) {
            return Err(unread.unwrap_or_else(|| Error::data("the file has no texts", "give a file with a text in each row")));
        }
        Ok(Self {
            columns: vec![column],
            has_header: named,
            separator: b',',
            rows,
            labels: adapter.labels.clone(),
            text: 0,
            truth: None,
            notes: Vec::new(),
            answers: Vec::new(),
        })
    }

    /// What is known before anything is classified.
    #[must_use]
    pub fn view(&self) -> FileView {
        FileView {
            columns: self.columns.clone(),
            rows: self.rows.len(),
            text_column: self.text,
            label_column: self.truth,
            preview: self.rows.iter().take(PREVIEW_ROWS).cloned().collect(),
            notes: self.notes.clone(),
        }
    }

    /// Classifies as many of the next rows as fit into a pass; `false` where none is left.
    ///
    /// # Errors
    /// [`Error::Device`] where the device failed; [`Error::Adapter`] for a predictor with other classes.
    pub async fn next(&mut self, predictor: &Predictor) -> Result<bool> {
        let classes = self.labels.len();
        if predictor.adapter().labels != self.labels {
            return Err(Error::adapter("the file was opened for an adapter with other classes", "open the file again"));
        }
        let (mut texts, mut filled) = (Vec::new(), Vec::new());
        for cells in &self.rows[self.answers.len()..] {
            let text = cells[self.text].trim();
            if predictor.is_empty(text) {
                filled.push(false);
            } else if texts.len() < EVAL_BATCH {
                filled.push(true);
                texts.push(text);
            } else {
                break;
            }
        }
        let scores = predictor.logits(&texts).await?;
        let mut scores = scores.chunks(classes);
        for filled in filled {
            self.answers.push(if filled { scores.next().map(best) } else { None });
        }
        Ok(self.answers.len() < self.rows.len())
    }

    /// How far it is, and what came of it.
    #[must_use]
    pub fn progress(&self) -> FileProgress {
        let mut progress = FileProgress {
            done: self.answers.len(),
            rows: self.rows.len(),
            empty: 0,
            judged: 0,
            right: 0,
            unknown: 0,
            counts: self.labels.iter().map(|label| (label.clone(), 0)).collect(),
        };
        for (cells, answer) in self.rows.iter().zip(&self.answers) {
            let Some((class, _)) = *answer else {
                progress.empty += 1;
                continue;
            };
            progress.counts[class].1 += 1;
            let truth = self.truth.map_or("", |truth| cells[truth].trim());
            if !truth.is_empty() {
                progress.judged += 1;
                progress.right += usize::from(truth == self.labels[class]);
                progress.unknown += usize::from(!self.labels.iter().any(|label| label == truth));
            }
        }
        progress
    }

    /// The file with its two more columns, in UTF-8, separated as it was; a header where it had one. All of its own cells are as they
    /// were. A row that is not classified yet has no label.
    ///
    /// A label that a spreadsheet would take for a formula gets a `'` in front: who makes an adapter chooses its labels.
    ///
    /// # Errors
    /// Never, in practice.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let fault =
            |error: &dyn std::fmt::Display| Error::data(format!("the file cannot be written: {error}"), "report this as a fault");
        let mut writer = WriterBuilder::new()
            .delimiter(self.separator)
            .quote_style(QuoteStyle::Necessary)
            .flexible(true)
            .from_writer(Vec::new());
        if self.has_header {
            let added = [self.free_name(LABEL), self.free_name(PROBABILITY)];
            writer.write_record(self.columns.iter().chain(&added)).map_err(|error| fault(&error))?;
        }
        let labels: Vec<String> = self.labels.iter().map(|label| harmless(label)).collect();
        for (at, cells) in self.rows.iter().enumerate() {
            let (label, probability) = match self.answers.get(at) {
                Some(Some((class, probability))) => (labels[*class].as_str(), format!("{probability:.4}")),
                _ => ("", String::new()),
            };
            let cells = cells.iter().map(String::as_str).chain([label, probability.as_str()]);
            writer.write_record(cells).map_err(|error| fault(&error))?;
        }
        writer.into_inner().map_err(|error| fault(&error))
    }

    /// `tsv` or `csv`: what [`Self::to_bytes`] is.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        if self.separator == b'\t' { "tsv" } else { "csv" }
    }

    /// `name`, with a number behind it if the file has such a column already.
    fn free_name(&self, name: &str) -> String {
        let taken = |name: &String| self.columns.iter().any(|column| column == name);
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
    }
}

/// The class with the largest score, and its probability.
fn best(scores: &[f32]) -> (usize, f32) {
    let class = crate::eval::argmax(scores);
    (class, crate::eval::softmax(scores)[class])
}

/// A label that no spreadsheet computes. Numbers stay as they are.
fn harmless(label: &str) -> String {
    if label.starts_with(FORMULA) && label.parse::<f64>().is_err() { format!("'{label}") } else { label.to_owned() }
}

/// The column that was named, or the one of the training, or a guess. There need not be labels.
///
/// # Errors
/// [`Error::Data`] where no such column is there, or none looks like texts.
pub fn text_column(table: &Table, named: Option<&String>, trained: &DataConfig) -> Result<usize> {
    let guess = |text: Option<&String>, label: Option<&String>| {
        let config = DataConfig { text_column: text.cloned(), label_column: label.cloned(), ..DataConfig::default() };
        ColumnChoice::guess(table, &config).map(|choice| choice.text)
    };
    // Where the text column is named, any other column will do as that of the labels.
    let find = |text: &String| {
        guess(Some(text), None)
            .or_else(|error| table.columns.iter().find_map(|label| guess(Some(text), Some(label)).ok()).ok_or(error))
    };
    if let Some(named) = named {
        return find(named);
    }
    let as_trained = trained.text_column.as_ref().and_then(|text| find(text).ok());
    as_trained.map_or_else(|| guess(None, None), Ok)
}

/// The column in which at least half of the filled cells are labels of the adapter, the most of all; of equals that of the training.
fn truth_column(table: &Table, text: usize, adapter: &Adapter) -> Option<usize> {
    let known = |column: usize| {
        let filled = table.rows.iter().map(|cells| cells[column].trim()).filter(|cell| !cell.is_empty());
        let (filled, known) = filled.fold((0, 0), |(filled, known), cell| {
            (filled + 1, known + usize::from(adapter.labels.iter().any(|label| label == cell)))
        });
        if known * 2 >= filled { known } else { 0 }
    };
    let trained = adapter.config.data.label_column.as_deref();
    let columns = (0..table.columns.len()).filter(|&column| column != text);
    let score = |column: usize| (known(column), trained == Some(table.columns[column].as_str()));
    columns.map(|column| (score(column), column)).filter(|((known, _), _)| *known > 0).max().map(|(_, column)| column)
}
