//! Scores how much a column looks like texts and how much like labels.

use std::collections::HashSet;

use super::kinds::{Kind, shape, words};
use super::part::are_parts;
use super::sample::sample;
use super::values::Reading;
use crate::data::cells::is_blank;
use crate::data::names::Named;
use crate::data::table::Table;

/// Maximum number of cells to examine in all columns. The number per column decreases slowly with the number of columns.
const CELLS: usize = 200_000;
/// Maximum number of cells to examine in one column.
const ROWS: usize = 10_000;
/// Factor for the score of a column whose name suggests metadata.
const ABOUT: f64 = 0.3;

/// Language codes; a column of labels rarely consists of them.
#[rustfmt::skip]
const LANGUAGES: &[&str] = &[
    "en", "de", "fr", "es", "it", "pt", "nl", "ru", "zh", "ja", "ko", "ar", "tr", "pl", "sv", "da", "fi", "nb", "cs", "el", "he", "hi",
    "th", "vi", "id", "uk", "ro", "hu", "bg", "ca", "hr", "sk", "sl", "lt", "lv", "et", "fa", "ur", "bn", "ta", "te", "sw", "zh-cn", "zh-tw",
    "en-us", "en-gb", "pt-br", "fr-ca", "es-mx", "de-at", "de-ch",
];

/// The properties of a column.
#[derive(Debug, Clone)]
pub(super) struct Looks {
    /// How much its cells look like texts; 0 is not at all.
    pub(super) text: f64,
    /// How much its cells look like labels; 0 is not at all.
    pub(super) label: f64,
    /// What its name suggests.
    pub(super) named: Named,
    /// Share of its cells that are words.
    wordy: f64,
    /// Share of its rows with a non-empty cell.
    pub(super) filled: f64,
    /// Share of its cells that are distinct.
    pub(super) distinct: f64,
    /// Mean number of words of a cell.
    pub(super) length: f64,
    /// The kind of most cells.
    pub(super) kind: Kind,
    /// Whether all cells are 0 or 1, or true or false, and both occur.
    pub(super) binary: bool,
}

impl Looks {
    pub(super) fn new(table: &Table, column: usize) -> Self {
        let most = (CELLS / table.columns.len().max(1)).clamp(100, ROWS);
        let all: Vec<&str> = sample(table.rows.len(), most).map(|row| table.rows[row][column].trim()).collect();
        let count = |cells: usize| cells.max(1) as f64;
        let sampled = count(all.len());
        let filled: Vec<&str> = all.into_iter().filter(|cell| !is_blank(cell)).collect();
        let texts = Reading::of_texts(table, column);
        let texts: Vec<_> = filled.iter().map(|cell| texts.value(cell)).filter(|cell| !cell.is_empty()).collect();
        let labels = Reading::of_labels(table, column);
        let labels: Vec<_> = filled.iter().map(|cell| labels.value(cell)).filter(|cell| !cell.is_empty()).collect();
        let named = Named::new(&table.columns[column]);

        let kinds: Vec<Kind> = texts.iter().map(|cell| Kind::of(cell)).collect();
        let share = |kind: Kind| kinds.iter().filter(|&&other| other == kind).count() as f64 / count(kinds.len());
        let wordy = share(Kind::Words);
        let kind = [Kind::Number, Kind::Time, Kind::Code, Kind::Link, Kind::Agent].into_iter().find(|&kind| share(kind) > 0.5);
        let different = texts.iter().collect::<HashSet<_>>().len();
        let shapes = texts.iter().map(|cell| shape(cell)).collect::<HashSet<_>>().len();
        let distinct = different as f64 / count(texts.len());
        let patterns = shapes as f64 / count(different);
        let length = texts.iter().map(|cell| words(cell).min(200.0)).sum::<f64>() / count(texts.len());
        let about = if named.about { ABOUT } else { 1.0 };
        let text = texts.len() as f64 / sampled
            * wordy
            * distinct.sqrt()
            * (0.1 + 0.9 * patterns.sqrt())
            * (length / (length + 4.0))
            * about;

        let classes: HashSet<&str> = labels.iter().map(AsRef::as_ref).collect();
        let letters = labels.iter().map(|cell| cell.chars().count()).sum::<usize>() as f64 / count(labels.len());
        let repeated = 1.0 - classes.len() as f64 / count(labels.len());
        let unlikely = if classes.len() < 2 {
            0.0
        } else if are_parts(&classes.iter().copied().collect::<Vec<_>>()) {
            0.05
        } else if matches!(kind, Some(Kind::Time | Kind::Link | Kind::Agent)) {
            0.1
        } else if classes.iter().all(|class| LANGUAGES.contains(&class.to_lowercase().as_str())) {
            0.4
        } else if kind == Some(Kind::Number) && classes.len() > 5 {
            // Counts rather than classes.
            0.6
        } else if kind == Some(Kind::Number) && classes.len() > 2 {
            0.85
        } else if kind == Some(Kind::Code) {
            0.7
        } else {
            1.0
        };
        let label = labels.len() as f64 / sampled * repeated * unlikely * about
            / (1.0 + letters / 30.0)
            / (1.0 + (classes.len().max(1) as f64).ln() / 8.0);
        let flag = |class: &&str| matches!(class.to_lowercase().as_str(), "0" | "1" | "0.0" | "1.0" | "true" | "false");
        Self {
            text,
            label,
            named,
            wordy,
            filled: filled.len() as f64 / sampled,
            distinct,
            length,
            kind: kind.unwrap_or(Kind::Words),
            binary: classes.len() == 2 && classes.iter().all(flag),
        }
    }

    /// Whether its name suggests metadata, and not a text or a label.
    pub(super) fn is_about(&self) -> bool {
        self.named.about
    }

    /// The name raises the score if the cells agree with it.
    pub(super) fn as_text(&self) -> f64 {
        self.text + self.says_text() - self.says_label()
    }

    /// The same for labels.
    pub(super) fn as_label(&self) -> f64 {
        self.label + self.says_label() - self.says_text()
    }

    fn says_text(&self) -> f64 {
        self.named.text * self.wordy
    }

    fn says_label(&self) -> f64 {
        self.named.label * (self.label * 3.0).min(1.0)
    }

    /// Whether the column could contain the texts, by its cells or at least by its name.
    pub(super) fn may_be_text(&self) -> bool {
        self.text > 0.0
    }
}
