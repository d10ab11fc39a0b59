//! Classifies a whole file: its rows, unchanged, with two additional columns for the label and its probability.

use csv::{QuoteStyle, WriterBuilder};
use serde::Serialize;

use super::{EVAL_BATCH, Predictor};
use crate::adapter::Adapter;
use crate::config::DataConfig;
use crate::data::dataset::{ClassIndex, ColumnChoice, Reading, find_column, text_alone};
use crate::data::table::{Line, Table, Written};
use crate::data::view::shown_head;
use crate::error::{Error, Result};

const LABEL: &str = "predicted_label";
const PROBABILITY: &str = "predicted_probability";
/// Spreadsheets treat a cell that begins with one of these as a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
/// Spreadsheets recognise UTF-8 by it.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// Number of rows in the preview.
const PREVIEW_ROWS: usize = 5;

/// A file that is classified, some rows at a time.
pub struct LabelledFile {
    columns: Vec<String>,
    has_header: bool,
    header_row: Option<u64>,
    head: Vec<Line>,
    sheets: Vec<String>,
    sheet: Option<String>,
    separator: u8,
    rows: Vec<Vec<String>>,
    labels: Vec<String>,
    /// Finds the class of a cell in the label column.
    index: ClassIndex,
    text: usize,
    /// How its texts and its labels are read from their cells.
    readings: (Reading, Reading),
    /// The label column, if the file has one.
    truth: Option<usize>,
    notes: Vec<String>,
    /// Class and probability of the rows so far; `None` for a row without a text.
    answers: Vec<Option<(usize, f32)>>,
}

/// What is known before classification.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct FileView {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Whether the file has a header.
    pub has_header: bool,
    /// Row of the file with the column names; `None` if there is none.
    pub header_row: Option<u64>,
    /// The first rows of the file as they are, before header detection: the candidates for the header. Long cells are truncated.
    /// Empty if the file has no header row to choose.
    pub head: Vec<Line>,
    /// Names of the sheets of a workbook; empty for other files.
    pub sheets: Vec<String>,
    /// The sheet that was read.
    pub sheet: Option<String>,
    /// Rows, without the header.
    pub rows: usize,
    /// The column that is classified, counted from 0.
    pub text_column: usize,
    /// The label column, if there is one.
    pub label_column: Option<usize>,
    /// The first rows, cell by cell.
    pub preview: Vec<Vec<String>>,
    /// Notes on the file.
    pub notes: Vec<String>,
}

/// Progress and results so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct FileProgress {
    /// Rows that are classified.
    pub done: usize,
    /// Rows of the file.
    pub rows: usize,
    /// Rows without a text, which get no label.
    pub empty: usize,
    /// Rows with a text and a known label.
    pub judged: usize,
    /// Of these, rows whose prediction is correct.
    pub right: usize,
    /// Of these, rows whose label is not one of the classes.
    pub unknown: usize,
    /// Number of rows predicted for each class, in the order of the classes.
    pub counts: Vec<(String, usize)>,
}

impl LabelledFile {
    /// Reads a file: a table, or one text per row. `name` is its file name. `text_column` is a name or a number counted from 1;
    /// by default, it is the text column of the training, otherwise guessed. `reading` may set the header row and the sheet.
    ///
    /// # Errors
    /// [`Error::Data`] for a file that cannot be read and for a column that does not exist.
    pub fn open(bytes: &[u8], name: &str, adapter: &Adapter, text_column: Option<&str>, reading: &DataConfig) -> Result<Self> {
        let written = if text_column.is_some() { Written::Table } else { Written::by_name(name) };
        let table = Table::of_texts(bytes, written, adapter.config.data.text_column.as_deref(), reading)?;
        let named = text_column.map(str::to_owned);
        let text = self::text_column(&table, named.as_ref(), &adapter.config.data)?;
        let index = class_index(adapter);
        let truth = label_column(&table, text, adapter, &index);
        let readings =
            (Reading::of_texts(&table, text), truth.map_or_else(Reading::default, |truth| Reading::of_labels(&table, truth)));
        let separator = if matches!(table.separator, '\t' | ';' | '|') { table.separator as u8 } else { b',' };
        let Table { columns, has_header, header_row, head, sheets, sheet, rows, notes, .. } = table;
        let head = shown_head(&head);
        let labels = adapter.labels.clone();
        let answers = Vec::new();
        Ok(Self {
            columns,
            has_header,
            header_row,
            head,
            sheets,
            sheet,
            separator,
            rows,
            labels,
            index,
            text,
            readings,
            truth,
            notes,
            answers,
        })
    }

    /// What is known before classification.
    #[must_use]
    pub fn view(&self) -> FileView {
        FileView {
            columns: self.columns.clone(),
            has_header: self.has_header,
            header_row: self.header_row,
            head: self.head.clone(),
            sheets: self.sheets.clone(),
            sheet: self.sheet.clone(),
            rows: self.rows.len(),
            text_column: self.text,
            label_column: self.truth,
            preview: self.rows.iter().take(PREVIEW_ROWS).cloned().collect(),
            notes: self.notes.clone(),
        }
    }

    /// Classifies as many of the next rows as fit into a pass; returns `false` if none is left.
    ///
    /// # Errors
    /// [`Error::Device`] if the device failed; [`Error::Adapter`] for a predictor with other classes.
    pub async fn next(&mut self, predictor: &Predictor) -> Result<bool> {
        let classes = self.labels.len();
        if predictor.adapter().labels != self.labels {
            return Err(Error::adapter("the file was opened for an adapter with other classes", "open the file again"));
        }
        let (mut texts, mut filled) = (Vec::new(), Vec::new());
        for cells in &self.rows[self.answers.len()..] {
            let text = self.readings.0.value(&cells[self.text]);
            if predictor.is_empty(&text) {
                filled.push(false);
            } else if texts.len() < EVAL_BATCH {
                filled.push(true);
                texts.push(text);
            } else {
                break;
            }
        }
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let scores = predictor.logits(&texts).await?;
        let mut scores = scores.chunks(classes);
        for filled in filled {
            self.answers.push(if filled { scores.next().map(best) } else { None });
        }
        Ok(self.answers.len() < self.rows.len())
    }

    /// Progress and results so far.
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
            let truth = self.truth.map(|truth| self.readings.1.value(&cells[truth])).unwrap_or_default();
            if !truth.is_empty() {
                let right = self.index.find(&truth).map(|right| right as usize);
                progress.judged += 1;
                progress.right += usize::from(right == Some(class));
                progress.unknown += usize::from(right.is_none());
            }
        }
        progress
    }

    /// The file with its two additional columns, in UTF-8, with its separator and, if it had one, its header. The original cells
    /// are unchanged. A row that is not classified yet has no label. A CSV file begins with a byte order mark, without which
    /// spreadsheets assume another encoding.
    ///
    /// A label that a spreadsheet would treat as a formula gets the prefix `'`, because the author of an adapter chooses its
    /// labels freely.
    ///
    /// # Errors
    /// Cannot fail in practice.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let fault =
            |error: &dyn std::fmt::Display| Error::data(format!("the file cannot be written: {error}"), "report this as a bug");
        let mut writer = WriterBuilder::new()
            .delimiter(self.separator)
            .quote_style(QuoteStyle::Necessary)
            .flexible(true)
            .from_writer(if self.separator == b'\t' { Vec::new() } else { BYTE_ORDER_MARK.to_vec() });
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

    /// `tsv` or `csv`, according to [`Self::to_bytes`].
    #[must_use]
    pub fn extension(&self) -> &'static str {
        if self.separator == b'\t' { "tsv" } else { "csv" }
    }

    /// `name`, with a number appended if the file already has such a column.
    fn free_name(&self, name: &str) -> String {
        let taken = |name: &String| self.columns.iter().any(|column| column == name);
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
    }
}

/// The class with the largest logit, and its probability.
fn best(scores: &[f32]) -> (usize, f32) {
    let class = crate::eval::argmax(scores);
    (class, crate::eval::softmax(scores)[class])
}

/// A label that no spreadsheet evaluates. Numbers are unchanged.
fn harmless(label: &str) -> String {
    if label.starts_with(FORMULA) && label.parse::<f64>().is_err() { format!("'{label}") } else { label.to_owned() }
}

/// The named column, otherwise the one of the training, otherwise a guess. There need not be labels.
///
/// # Errors
/// [`Error::Data`] if there is no such column, or none looks like texts.
pub fn text_column(table: &Table, named: Option<&String>, trained: &DataConfig) -> Result<usize> {
    let guess = |text: Option<&String>| {
        let config = DataConfig { text_column: text.cloned(), ..DataConfig::default() };
        ColumnChoice::guess(table, &config).map(|choice| choice.text)
    };
    // Of columns with the same name, the likelier one; without a label column, it is found by its name.
    let find = |text: &String| guess(Some(text)).or_else(|_| find_column(table, text));
    if let Some(named) = named {
        return find(named);
    }
    let as_trained = trained.text_column.as_ref().and_then(|text| find(text).ok());
    as_trained.map_or_else(|| guess(None).or_else(|error| text_alone(table).ok_or(error)), Ok)
}

/// An index of the adapter's classes, as in training.
#[must_use]
pub fn class_index(adapter: &Adapter) -> ClassIndex {
    ClassIndex::new(&adapter.labels, adapter.config.data.merge_labels)
}

/// The column in which most cells are labels of the adapter, and at least half of the non-empty ones; of equally good ones, the
/// one of the training.
#[must_use]
pub fn label_column(table: &Table, text: usize, adapter: &Adapter, index: &ClassIndex) -> Option<usize> {
    let known = |column: usize| {
        let reading = Reading::of_labels(table, column);
        let filled = table.rows.iter().map(|cells| reading.value(&cells[column])).filter(|cell| !cell.is_empty());
        let (filled, known) =
            filled.fold((0, 0), |(filled, known), cell| (filled + 1, known + usize::from(index.find(&cell).is_some())));
        if known * 2 >= filled { known } else { 0 }
    };
    let trained = adapter.config.data.label_column.as_deref();
    let columns = (0..table.columns.len()).filter(|&column| column != text);
    let score = |column: usize| (known(column), trained == Some(table.columns[column].as_str()));
    columns.map(|column| (score(column), column)).filter(|((known, _), _)| *known > 0).max().map(|(_, column)| column)
}
