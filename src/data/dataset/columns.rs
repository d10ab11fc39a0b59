//! Chooses the text column and the label column.

use std::collections::HashMap;

use super::kinds::Kind;
use super::looks::Looks;
use super::scores;
use crate::config::DataConfig;
use crate::data::cells::is_blank;
use crate::data::names::A_NAME;
use crate::data::table::Table;
use crate::error::{Error, Result};

/// The chosen columns of a [`Table`], counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnChoice {
    /// Column of the text.
    pub text: usize,
    /// Column of the label.
    pub label: usize,
}

/// Other columns that could have been chosen, and notes on the choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Columns that could contain the texts, the chosen one first. Only the chosen one if no other comes close or if it was
    /// named.
    pub text: Vec<usize>,
    /// Columns that could contain the labels, the chosen one first. Only the chosen one if no other comes close or if it was
    /// named.
    pub label: Vec<usize>,
    /// Notes on the choice, one sentence each.
    pub(super) notes: Vec<String>,
}

/// Share of the best score from which a text column comes close.
const CLOSE_TEXT: f64 = 0.6;
/// Share of the best score from which a label column comes close.
const CLOSE_LABEL: f64 = 0.7;
/// Mean number of words of a cell from which a column contains texts, whatever their pattern.
const LONG_TEXT: f64 = 6.0;
/// Score of a text column from which a note says that it is not used.
const A_TEXT: f64 = 0.25;
/// The same for a column with the name of a text column.
const A_NAMED_TEXT: f64 = 0.1;
/// Score of a label column from which, in a table of two columns, the other one is the text in any case.
const A_LABEL: f64 = 0.4;
/// Maximum number of columns to list in a hint or a note.
const LISTED: usize = 30;

impl ColumnChoice {
    /// The columns named in the config (matched by name, then by name ignoring case, then by number counted from 1). Columns that
    /// are not named are guessed from their content and their names: texts are words, mostly differ and follow no single pattern;
    /// labels are short and repeat. If two columns have the wanted name, the likelier one is used.
    ///
    /// # Errors
    /// [`Error::Data`] if a named column does not exist (the message lists the columns), if both are the same, or if no column is
    /// suitable.
    pub fn guess(table: &Table, config: &DataConfig) -> Result<Self> {
        let named = |name: &Option<String>| name.as_deref().map(|name| find_all(table, name)).transpose();
        let (texts, labels) = (named(&config.text_column)?, named(&config.label_column)?);
        if let (Some([text]), Some([label])) = (texts.as_deref(), labels.as_deref()) {
            if text == label {
                return Err(Error::Data {
                    problem: "the text and the label cannot be the same column".into(),
                    hint: listing(table),
                    row: None,
                    column: Some(table.columns[*text].clone()),
                });
            }
            return Ok(Self { text: *text, label: *label });
        }
        let looks: Vec<Looks> = (0..table.columns.len()).map(|column| Looks::new(table, column)).collect();
        let all = || (0..looks.len()).collect::<Vec<usize>>();
        let missing =
            |what| Error::data(format!("no column looks like {what}"), format!("name the column of {what}: {}", listing(table)));
        let texts = match texts {
            Some(texts) => texts,
            None => {
                let good: Vec<usize> = all().into_iter().filter(|&i| looks[i].may_be_text()).collect();
                let called = || all().into_iter().filter(|&i| looks[i].named.text >= A_NAME).collect::<Vec<_>>();
                let mut good = if good.is_empty() { called() } else { good };
                good.extend(beside_a_label(&looks));
                good
            }
        };
        // In a table of two columns, the other one is the label in any case. Problems with it are reported later.
        let may_be_label = |i: &usize| looks.len() == 2 || looks[*i].label > 0.0;
        let labels = labels.unwrap_or_else(|| all().into_iter().filter(may_be_label).collect());
        let pairs = texts.iter().flat_map(|&text| labels.iter().map(move |&label| Self { text, label }));
        let score = |pair: &Self| looks[pair.text].as_text() + looks[pair.label].as_label();
        // `max_by` returns the last of equal elements; reversed, the first.
        let pairs: Vec<Self> = pairs.filter(|pair| pair.text != pair.label).collect();
        // Of two tables side by side, a text of one and a label of the other are no pair.
        let sides = sides(table);
        let together: Vec<Self> = pairs.iter().copied().filter(|pair| sides[pair.text] == sides[pair.label]).collect();
        let named = config.text_column.is_some() || config.label_column.is_some();
        let pairs = if together.is_empty() || named { pairs } else { together };
        let best = pairs.into_iter().rev().max_by(|a, b| score(a).total_cmp(&score(b)));
        best.ok_or_else(|| missing(if texts.is_empty() { "the text" } else { "the label" }))
    }

    /// The columns with the same names in another table; otherwise, if it has the same number of columns, those at the same
    /// positions; otherwise a guess.
    pub(super) fn in_other(self, table: &Table, other: &Table, config: &DataConfig) -> Result<Self> {
        let mut config = config.clone();
        for (setting, column) in [(&mut config.text_column, self.text), (&mut config.label_column, self.label)] {
            let name = &table.columns[column];
            let same = |other: &&String| *other == name;
            let places = (table.columns.iter().filter(same).count(), other.columns.iter().filter(same).count());
            if places.0 > 1 && other.columns == table.columns {
                *setting = Some((column + 1).to_string());
            } else if places.1 > 0 {
                *setting = Some(name.clone());
            } else if setting.is_none() && other.columns.len() == table.columns.len() {
                *setting = Some((column + 1).to_string());
            }
        }
        Self::guess(other, &config)
    }

    /// Other columns that could have been chosen, and notes on the choice.
    #[must_use]
    pub fn candidates(self, table: &Table, config: &DataConfig) -> Candidates {
        let mut found = Candidates { text: vec![self.text], label: vec![self.label], notes: Vec::new() };
        for (named, column, flag) in
            [(&config.text_column, self.text, "--text-column"), (&config.label_column, self.label, "--label-column")]
        {
            found.notes.extend(named_twice(table, column, named.as_deref(), flag));
        }
        if config.text_column.is_some() && config.label_column.is_some() || table.columns.len() < 3 {
            if table.columns.len() == 2 && config.text_column.is_none() {
                found.notes.extend(no_words(table, self.text, &Looks::new(table, self.text)));
            }
            return found;
        }
        let looks: Vec<Looks> = (0..table.columns.len()).map(|column| Looks::new(table, column)).collect();
        found.notes.extend(beside(table, &looks, self));
        if config.text_column.is_none() {
            self.other_texts(table, &looks, &mut found);
            found.notes.extend(no_words(table, self.text, &looks[self.text]));
        }
        if config.label_column.is_none() {
            self.other_labels(table, &looks, &mut found);
            if looks[self.label].is_about() {
                found.notes.push(format!(
                    "the labels are read from column {}, whose name suggests metadata; --label-column selects another column",
                    called(table, self.label)
                ));
            }
        }
        found
    }

    fn other_texts(self, table: &Table, looks: &[Looks], found: &mut Candidates) {
        let chosen = looks[self.text].as_text();
        let others = || (0..looks.len()).filter(|&i| i != self.text && i != self.label && !looks[i].is_about());
        let close = others().filter(|&i| looks[i].may_be_text() && looks[i].as_text() >= CLOSE_TEXT * chosen);
        let mut close: Vec<usize> = close.filter(|&i| looks[i].distinct > 0.3 || looks[i].named.text >= A_NAME).collect();
        close.sort_by(|&a, &b| looks[b].as_text().total_cmp(&looks[a].as_text()));
        let left_out: Vec<usize> = others()
            .filter(|&i| {
                let (looks, named) = (&looks[i], looks[i].named.text >= A_NAME);
                close.contains(&i)
                    || looks.filled > 0.3 && (looks.text >= A_TEXT && looks.distinct > 0.3 || looks.text >= A_NAMED_TEXT && named)
                    // Long texts of one pattern score low.
                    || looks.filled > 0.3 && looks.distinct > 0.3 && looks.kind == Kind::Words && looks.length >= LONG_TEXT
            })
            .collect();
        let name = called(table, self.text);
        let list = names(table, &left_out);
        match left_out.as_slice() {
            [] => {}
            [_] => found.notes.push(format!("column {list} also contains texts, which are not used; only {name} is read")),
            _ => found.notes.push(format!("columns {list} also contain texts, which are not used; only {name} is read")),
        }
        found.text.extend(close);
    }

    fn other_labels(self, table: &Table, looks: &[Looks], found: &mut Candidates) {
        let chosen = looks[self.label].as_label();
        // Beside the labels of one annotator, those of another come close, although their name suggests metadata.
        let alike = |i: usize| akin(&table.columns[self.label], &table.columns[i]);
        let others = (0..looks.len()).filter(|&i| i != self.text && i != self.label && (!looks[i].is_about() || alike(i)));
        let close = others.filter(|&i| looks[i].label > 0.0 && (looks[i].as_label() >= CLOSE_LABEL * chosen || alike(i)));
        let mut close: Vec<usize> = close.filter(|&i| !same_classes(table, self.label, i)).collect();
        close.sort_by(|&a, &b| looks[b].as_label().total_cmp(&looks[a].as_label()));
        let name = called(table, self.label);
        let mut flags: Vec<usize> =
            (0..looks.len()).filter(|&i| i != self.text && looks[i].binary && !looks[i].is_about()).collect();
        if let Some(note) = scores::note(table, self.label) {
            found.notes.push(note);
        } else if looks[self.label].binary && flags.len() > 1 && looks[self.label].named.label < 1.0 {
            flags.sort_unstable();
            let list = names(table, &flags);
            let single = table.rows.iter().all(|row| {
                let set = flags.iter().filter(|&&i| matches!(row[i].trim().to_lowercase().as_str(), "1" | "1.0" | "true"));
                set.count() == 1
            });
            found.notes.push(if single {
                format!(
                    "columns {list} are one-hot labels, one column per class: only {name} is used as the label; put the class names into a single column"
                )
            } else {
                format!("columns {list} contain 0 or 1, as for several labels per row: only {name} is used as the label")
            });
        } else if !close.is_empty() {
            let list = names(table, &close);
            let verb = if close.len() == 1 { "column" } else { "columns" };
            found
                .notes
                .push(format!("the labels could also be {verb} {list}: {name} is used; --label-column selects another column"));
        }
        found.label.extend(close);
    }
}

/// Which of several tables side by side each column belongs to: they are divided by an empty column, or have the same names.
fn sides(table: &Table) -> Vec<usize> {
    let count = table.columns.len();
    let half = count / 2;
    if count >= 4 && count == half * 2 && table.has_header && table.columns[..half] == table.columns[half..] {
        return (0..count).map(|column| column / half).collect();
    }
    let empty = |column: usize| {
        table.columns[column] == format!("column {}", column + 1) && table.rows.iter().all(|row| is_blank(&row[column]))
    };
    let mut side = 0;
    (0..count)
        .map(|column| {
            side += usize::from(empty(column));
            side
        })
        .collect()
}

/// A note on a second table beside the one that is read.
fn beside(table: &Table, looks: &[Looks], choice: ColumnChoice) -> Option<String> {
    let sides = sides(table);
    let own = sides[choice.text];
    let other = (0..looks.len()).map(|i| sides[i]).find(|&side| {
        let of = |i: &usize| side != own && sides[*i] == side;
        (0..looks.len()).filter(of).any(|i| looks[i].may_be_text() && looks[i].kind == Kind::Words && looks[i].distinct > 0.5)
            && (0..looks.len()).filter(of).any(|i| looks[i].label > 0.0)
    })?;
    let columns: Vec<usize> = (0..looks.len()).filter(|&i| sides[i] == other && looks[i].filled > 0.0).collect();
    (sides[choice.label] == own && columns.len() > 1).then(|| {
        format!(
            "columns {} look like a second table beside the one of {}: it is not read; put its rows below the others",
            names(table, &columns),
            names(table, &[choice.text, choice.label])
        )
    })
}

/// Whether two names are of the same kind of labels: `category` and `subcategory`, `annotator_1` and `annotator_2`.
fn akin(one: &str, other: &str) -> bool {
    let bare = |name: &str| {
        let name = name.trim().to_lowercase();
        name.trim_end_matches(|sign: char| sign.is_ascii_digit() || matches!(sign, '_' | '-' | ' ' | '.')).to_owned()
    };
    let (one, other) = (bare(one), bare(other));
    let (short, long) = if one.len() <= other.len() { (&one, &other) } else { (&other, &one) };
    // Columns without a name are all `column N`.
    short.chars().count() >= 3 && short != "column" && (long.ends_with(short.as_str()) || long.starts_with(short.as_str()))
}

/// In a table of two columns, the one beside a clear label column is accepted as the text, whatever it contains.
fn beside_a_label(looks: &[Looks]) -> Vec<usize> {
    let label = |i: &usize| looks[*i].as_label() >= A_LABEL && looks[*i].kind == Kind::Words;
    match looks {
        [_, _] => (0..2).filter(label).map(|label| 1 - label).collect(),
        _ => Vec::new(),
    }
}

/// A note if the texts are not words.
fn no_words(table: &Table, column: usize, looks: &Looks) -> Option<String> {
    let what = looks.kind.words();
    (looks.kind != Kind::Words).then(|| {
        format!(
            "the texts of column `{}` look like {what}: choose another text column if these are not the texts",
            table.columns[column]
        )
    })
}

/// A note if several columns have this name, unless the column was chosen by number.
fn named_twice(table: &Table, column: usize, named: Option<&str>, flag: &str) -> Option<String> {
    let name = &table.columns[column];
    let same: Vec<usize> = (0..table.columns.len()).filter(|&i| table.columns[i] == *name).collect();
    let by_number = named.is_some_and(|named| named.trim() != name.trim() && named.trim().parse::<usize>().is_ok());
    if same.len() < 2 || by_number {
        return None;
    }
    let numbers: Vec<String> = same.iter().take(LISTED).map(|i| (i + 1).to_string()).collect();
    Some(format!(
        "{} columns are named `{name}` ({}): column {} is read; {flag} with a number selects another one",
        same.len(),
        numbers.join(", "),
        column + 1
    ))
}

/// Whether the values of two columns correspond one to one.
fn same_classes(table: &Table, a: usize, b: usize) -> bool {
    let (mut there, mut back) = (HashMap::new(), HashMap::new());
    table
        .rows
        .iter()
        .map(|row| (row[a].trim(), row[b].trim()))
        .all(|(a, b)| is_blank(a) && is_blank(b) || *there.entry(a).or_insert(b) == b && *back.entry(b).or_insert(a) == a)
}

/// A column in a note: its name, and its number if the name is not unique.
fn called(table: &Table, column: usize) -> String {
    let name = &table.columns[column];
    let own = table.columns.iter().filter(|other| *other == name).count() == 1;
    if own { format!("`{name}`") } else { format!("`{name}` (column {})", column + 1) }
}

fn names(table: &Table, columns: &[usize]) -> String {
    let list: Vec<String> = columns.iter().take(5).map(|&i| called(table, i)).collect();
    let more = if columns.len() > 5 { ", ..." } else { "" };
    list.join(", ") + more
}

/// The column with this name; otherwise with this name ignoring case; otherwise with this number counted from 1.
///
/// # Errors
/// [`Error::Data`] if there is none; the message lists the columns.
pub fn find_column(table: &Table, name: &str) -> Result<usize> {
    find_all(table, name).map(|found| found[0])
}

/// The column that looks most like texts, for files without labels.
#[must_use]
pub fn text_alone(table: &Table) -> Option<usize> {
    let looks: Vec<Looks> = (0..table.columns.len()).map(|column| Looks::new(table, column)).collect();
    let texts = (0..looks.len()).rev().filter(|&i| looks.len() == 1 || looks[i].may_be_text());
    texts.max_by(|&a, &b| looks[a].as_text().total_cmp(&looks[b].as_text()))
}

/// All columns that a name refers to; at least one.
fn find_all(table: &Table, name: &str) -> Result<Vec<usize>> {
    let all = |test: &dyn Fn(&str) -> bool| {
        let found: Vec<usize> = (0..table.columns.len()).filter(|&i| test(&table.columns[i])).collect();
        (!found.is_empty()).then_some(found)
    };
    let folded = name.trim().to_lowercase();
    let number = || name.trim().parse::<usize>().ok().filter(|number| (1..=table.columns.len()).contains(number));
    all(&|column| column == name)
        .or_else(|| all(&|column| column.trim().to_lowercase() == folded))
        .or_else(|| number().map(|number| vec![number - 1]))
        .ok_or_else(|| Error::Data {
            problem: "the file has no such column".into(),
            hint: listing(table),
            row: None,
            column: Some(name.to_owned()),
        })
}

/// The columns with their numbers, for hints.
pub(super) fn listing(table: &Table) -> String {
    let all = table.columns.iter().enumerate();
    let mut columns: Vec<String> = all.take(LISTED).map(|(i, name)| format!("{} `{name}`", i + 1)).collect();
    if table.columns.len() > LISTED {
        columns.push(format!("and {} more", table.columns.len() - LISTED));
    }
    format!("the columns are {}", columns.join(", "))
}
