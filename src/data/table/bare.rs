//! Rows with more cells than the header has names, because separators inside a text are not in quotes. If the other columns
//! identify their cells, the rest of the row is the text.

use std::collections::HashMap;

use csv::StringRecord;

use super::header::{is_label_name, is_text_name};
use super::{record, rows_have};

/// The result.
#[derive(Default)]
pub(super) struct Settled {
    /// Number of columns.
    pub(super) width: usize,
    pub(super) note: Option<String>,
    /// Whether the rows begin with a cell that has no name in the header.
    pub(super) row_names: bool,
    /// Records whose text was joined, ascending.
    pub(super) joined: Vec<usize>,
}

/// Minimum score of the text column, and its minimum distance to any other column.
const ENOUGH: f64 = 1.5;
const BETTER: f64 = 0.5;
/// Maximum number of columns for [`Split::choose`], which reads the whole table once for each of them.
const FEW: usize = 32;

/// Joins the text of each row with too many cells, if it is certain which column is the text. `width` is the number of cells of
/// most records, without the header; `raw` are the cells as in the file, for records that may have been taken apart.
pub(super) fn settle(
    header: Option<&[String]>,
    records: &mut [StringRecord],
    raw: &[Option<StringRecord>],
    rows: &[u64],
    width: usize,
    separator: u8,
) -> Settled {
    let file = File { raw, separator };
    let mut settled = Settled { width, ..Settled::default() };
    let given = header.map_or(0, |names| names.iter().rposition(|name| !name.trim().is_empty()).map_or(0, |last| last + 1));
    if given > width && records.iter().any(|record| record.len() <= given && record::length(record) > width) {
        settled.width = given;
        return settled;
    }
    let narrow = if given >= 2 { given } else { blanks_say(records, narrowest(records, width), &file) };
    let over: Vec<usize> = (0..records.len()).filter(|&at| record::length(&records[at]) > narrow).collect();
    if narrow < 2 || over.is_empty() {
        return settled;
    }
    let split = (narrow <= FEW).then(|| Split::choose(header, records, &over, narrow, &file)).flatten();
    let spaced = split.as_ref().is_some_and(|split| over.iter().all(|&at| split.by_blanks(&records[at], at, &file)));
    if given == narrow && !spaced && are_row_names(records, narrow + 1) {
        settled.row_names = true;
        settled.width = narrow + 1;
        settled.note =
            Some("the rows have one cell more than the header has names: the first cell, a row number, is `column 1`".into());
        return settled;
    }
    let Some(split) = split else { return settled };
    let certain: Vec<usize> = over.iter().copied().filter(|&at| spaced || split.holds(&records[at])).collect();
    if certain.is_empty() || (given == 0 && certain.len() < over.len()) {
        return settled;
    }
    for &at in &certain {
        records[at] = split.joined(&records[at], at, &file);
    }
    let joined: Vec<u64> = certain.iter().map(|&at| rows[at]).collect();
    settled.width = narrow;
    settled.joined = certain;
    let name = header
        .and_then(|names| names.get(split.text))
        .map_or_else(|| format!("column {}", split.text + 1), |name| name.trim().to_owned());
    settled.note = Some(format!(
        "{} more cells than the {narrow} columns, because `{}` in a text is not in quotes; the extra cells are treated as part of `{name}`",
        rows_have(&joined),
        char::from(separator).escape_debug(),
    ));
    settled
}

/// The cells as in the file.
struct File<'a> {
    raw: &'a [Option<StringRecord>],
    separator: u8,
}

impl File<'_> {
    fn cell<'r>(&'r self, record: &'r StringRecord, at: usize, column: usize) -> &'r str {
        self.raw.get(at).and_then(Option::as_ref).unwrap_or(record).get(column).unwrap_or_default()
    }
}

/// The smallest number of cells that a tenth of the records have; the usual number if some have more.
fn narrowest(records: &[StringRecord], width: usize) -> usize {
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for record in records.iter().filter(|record| !record::is_blank(record)) {
        *counts.entry(record::length(record)).or_default() += 1;
    }
    let often = counts.iter().filter(|&(&length, &count)| length >= 2 && count * 10 >= records.len() && count >= 2);
    often.map(|(&length, _)| length).min().unwrap_or(width).min(width)
}

/// The number of columns of a file without a header whose texts all contain separators. This is certain only if in every record
/// the cells behind the same one, one after another, begin with a blank, as after a comma in a text, no other cell does, and the
/// other cells are as many in every record. Otherwise `narrowest`.
fn blanks_say(records: &[StringRecord], narrowest: usize, file: &File<'_>) -> usize {
    let filled: Vec<usize> = (0..records.len()).filter(|&at| !record::is_blank(&records[at])).collect();
    // Where the run of such cells begins, and how many cells are left.
    let run = |at: usize| {
        let length = record::length(&records[at]);
        let begins = |column: &usize| file.cell(&records[at], at, *column).starts_with(char::is_whitespace);
        let columns: Vec<usize> = (0..length).filter(begins).collect();
        let one = columns.first().is_some_and(|&first| first > 0) && columns.windows(2).all(|pair| pair[1] == pair[0] + 1);
        one.then(|| (columns[0], length - columns.len()))
    };
    let Some((begin, narrow)) = filled.first().and_then(|&at| run(at)) else { return narrowest };
    let certain = filled.len() >= 4
        && (2..=FEW).contains(&narrow)
        && narrow < narrowest
        && filled.iter().all(|&at| run(at) == Some((begin, narrow)))
        && Split::choose(None, records, &filled, narrow, file).is_some_and(|split| split.text + 1 == begin);
    if certain { narrow } else { narrowest }
}

/// Whether every record has this many cells and begins with its row number.
fn are_row_names(records: &[StringRecord], width: usize) -> bool {
    let mut numbers = records.iter().filter(|record| !record::is_blank(record)).map(|record| {
        let number = record.get(0).and_then(|cell| cell.trim().parse::<i64>().ok());
        number.filter(|_| record::length(record) == width)
    });
    let Some(Some(first)) = numbers.next() else { return false };
    let mut last = first;
    records.len() >= 2
        && first <= 1
        && numbers.all(|number| {
            number.is_some_and(|number| {
                number > last && {
                    last = number;
                    true
                }
            })
        })
}

/// The values of a column, if they identify its cells.
enum Values {
    /// Numbers.
    Numbers,
    /// All follow one pattern, such as dates and codes.
    Shape(String),
    /// Few values, each occurring several times.
    Few(HashMap<String, usize>),
    /// No restriction.
    Any,
}

impl Values {
    fn new(cells: &[&str]) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        cells.iter().for_each(|cell| *counts.entry((*cell).to_owned()).or_default() += 1);
        let numbers = cells.iter().filter(|cell| cell.parse::<f64>().is_ok()).count();
        let repeats = counts.len() >= 2 && counts.len() * 2 <= cells.len();
        if repeats {
            Self::Few(counts)
        } else if !cells.is_empty() && numbers * 20 >= cells.len() * 19 {
            Self::Numbers
        } else {
            let first = cells.first().map(|cell| shape(cell)).filter(|shape| shape.contains('9'));
            let same = |wanted: &String| cells.len() > 2 && cells.iter().all(|cell| shape(cell) == *wanted);
            first.filter(same).map_or(Self::Any, Self::Shape)
        }
    }

    fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }

    fn holds(&self, cell: &str) -> bool {
        match self {
            Self::Numbers => cell.parse::<f64>().is_ok(),
            Self::Shape(wanted) => shape(cell) == *wanted,
            Self::Few(counts) => counts.get(cell).is_some_and(|&count| count > 1),
            Self::Any => true,
        }
    }
}

/// A cell with runs of digits replaced by 9 and runs of letters by a.
fn shape(cell: &str) -> String {
    let mut shape = String::new();
    for letter in cell.chars() {
        let sign = match letter {
            letter if letter.is_numeric() => '9',
            letter if letter.is_alphabetic() => 'a',
            letter => letter,
        };
        if !(shape.ends_with(sign) && matches!(sign, '9' | 'a')) {
            shape.push(sign);
        }
    }
    shape
}

/// A division of a row's cells: columns before the text, the text, and columns after it.
struct Split {
    text: usize,
    width: usize,
    /// The values of each column except the text.
    values: Vec<Values>,
}

impl Split {
    fn choose(
        header: Option<&[String]>,
        records: &[StringRecord],
        over: &[usize],
        width: usize,
        file: &File<'_>,
    ) -> Option<Self> {
        let mut scored: Vec<(f64, Self)> = (0..width)
            .map(|text| {
                let split = Self::new(records, width, text);
                (split.score(header, records, over, file), split)
            })
            .collect();
        scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let second = scored.get(1).map_or(0.0, |(score, _)| *score);
        scored.into_iter().next().filter(|(score, _)| *score >= ENOUGH && score - second >= BETTER).map(|(_, split)| split)
    }

    fn new(records: &[StringRecord], width: usize, text: usize) -> Self {
        let mut columns: Vec<Vec<&str>> = vec![Vec::new(); width];
        for record in records.iter().filter(|record| record::length(record) >= width) {
            for (column, values) in columns.iter_mut().enumerate().filter(|(column, _)| *column != text) {
                let cell = record.get(cell_index(record, width, text, column)).unwrap_or_default().trim();
                if !cell.is_empty() {
                    values.push(cell);
                }
            }
        }
        Self { text, width, values: columns.iter().map(|cells| Values::new(cells)).collect() }
    }

    fn score(&self, header: Option<&[String]>, records: &[StringRecord], over: &[usize], file: &File<'_>) -> f64 {
        let fitting = records.iter().filter(|record| record::length(record) == self.width);
        let own: Vec<&str> =
            fitting.filter_map(|record| record.get(self.text)).map(str::trim).filter(|cell| !cell.is_empty()).collect();
        // A column of numbers or labels is not the one whose text was split.
        if own.len() >= 4 && !Values::new(&own).is_any() {
            return -1.0;
        }
        let others = || (0..self.width).filter(|&column| column != self.text);
        // Every other column must be identifiable; otherwise a row could be divided arbitrarily.
        let mute = others().filter(|&column| self.values[column].is_any()).count();
        let holding = over.iter().filter(|&&at| self.holds(&records[at])).count() as f64 / over.len() as f64;
        let values = if mute == 0 { holding } else { 0.0 };
        let blanks = over.iter().filter(|&&at| self.by_blanks(&records[at], at, file)).count() as f64 / over.len() as f64;
        let name: f64 = header.map_or(0.0, |names| {
            let name = |column: usize| names.get(column).map_or("", |name| name.trim());
            if is_label_name(name(self.text)) {
                -1.0
            } else if is_text_name(name(self.text)) || self.width == 2 && others().any(|column| is_label_name(name(column))) {
                1.0
            } else {
                0.0
            }
        });
        // If all rows have the same number of cells, the extra one may also be a column without a name.
        let same = over.len() == records.iter().filter(|record| !record::is_blank(record)).count()
            && over.windows(2).all(|pair| record::length(&records[pair[0]]) == record::length(&records[pair[1]]));
        if same && blanks < 0.5 && self.is_column(records, over) {
            return 0.0;
        }
        // Names and spaces are not sufficient: the content of the other columns must fit.
        if values < 0.5 { values + name.min(0.0) } else { values + blanks + name }
    }

    /// Whether the cells of the other columns are among their values.
    fn holds(&self, record: &StringRecord) -> bool {
        (0..self.width).filter(|&column| column != self.text).all(|column| {
            let cell = record.get(cell_index(record, self.width, self.text, column)).unwrap_or_default().trim();
            !cell.is_empty() && self.values[column].holds(cell)
        })
    }

    /// Whether the cells that would be joined to the text have only a few different values.
    fn is_column(&self, records: &[StringRecord], over: &[usize]) -> bool {
        let pieces: Vec<&str> = over.iter().filter_map(|&at| records[at].get(self.text + 1)).map(str::trim).collect();
        let distinct: std::collections::HashSet<&str> = pieces.iter().copied().collect();
        distinct.len() * 2 <= pieces.len()
    }

    /// A space follows a comma inside a text, but not between columns.
    fn by_blanks(&self, record: &StringRecord, at: usize, file: &File<'_>) -> bool {
        let length = record::length(record);
        let last = length - (self.width - self.text);
        let blank = |column: usize| file.cell(record, at, column).starts_with(char::is_whitespace);
        file.separator != b'\t'
            && (self.text + 1..=last).all(blank)
            && (1..length).filter(|column| !(self.text + 1..=last).contains(column)).all(|column| !blank(column))
    }

    /// The text is what is in the file: the quotes of its parts belong to it.
    fn joined(&self, record: &StringRecord, at: usize, file: &File<'_>) -> StringRecord {
        let length = record::length(record);
        let last = length - (self.width - self.text);
        let mut cells: Vec<String> = record.iter().take(self.text).map(str::to_owned).collect();
        // Unless the file has quoted the whole text and only failed to double the quotes inside it.
        let parts = (self.text..=last).all(|column| {
            let cell = file.cell(record, at, column).trim();
            let inner = cell.strip_prefix('"').map(|rest| rest.strip_suffix('"').is_some_and(|inner| !inner.contains('"')));
            inner.unwrap_or(true)
        });
        let text: Vec<&str> = match parts {
            true => (self.text..=last).map(|column| file.cell(record, at, column)).collect(),
            false => (self.text..=last).filter_map(|column| record.get(column)).collect(),
        };
        cells.push(text.join(char::from(file.separator).encode_utf8(&mut [0; 4])));
        cells.extend((last + 1..length).filter_map(|column| record.get(column)).map(str::to_owned));
        let mut joined = StringRecord::from(cells);
        joined.set_position(record.position().cloned());
        joined
    }
}

/// Index of a column's cell in a record with at least `width` cells, whose extra cells belong to the text.
fn cell_index(record: &StringRecord, width: usize, text: usize, column: usize) -> usize {
    if column < text { column } else { record::length(record) - (width - column) }
}
