//! Merges labels with the same meaning: `1` and `1.0`, composed and decomposed characters, `Spam` and `spam`.
//!
//! There are two keys. Labels with the same first key differ only in notation and are one class. Labels with only the same second
//! key look the same to a person: they are merged if the settings say so; otherwise a note lists them.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use unicode_normalization_alignments::UnicodeNormalization as _;

use super::ClassCount;
use crate::data::cells::{is_invisible, is_odd_hyphen};

/// Labels that look the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct LabelGroup {
    /// The class that they are, or would be, merged into.
    pub name: String,
    /// The labels as in the file, with their number of rows that have a text.
    pub labels: Vec<ClassCount>,
    /// Whether they are merged. If not, `data.merge_labels` merges them.
    pub merged: bool,
}

/// How people and programs write a missing value. Lower case.
const MISSING: &[&str] = &[
    "nan",
    "-nan",
    "none",
    "null",
    "nil",
    "n/a",
    "na",
    "n.a.",
    "<na>",
    "<nan>",
    "<null>",
    "(null)",
    "#n/a",
    "#na",
    "nat",
    "undefined",
];
const TRUE: &[&str] = &["1", "true", "yes", "y", "t"];
const FALSE: &[&str] = &["0", "false", "no", "n", "f"];
/// Cyrillic and Greek letters, in lower case, and the Latin letters that they look like.
const LOOKALIKES: (&str, &str) = ("аеорсухіјѕԁһӏοναρ", "aeopcyxijsdhlovap");

/// Characters as HTML entities.
const ENTITIES: &[(&str, &str)] =
    &[("&nbsp;", " "), ("&#39;", "'"), ("&apos;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];

/// Whether a cell is a word for a missing value.
pub(super) fn looks_missing(cell: &str) -> bool {
    cell.len() <= 12 && MISSING.contains(&cell.to_lowercase().as_str())
}

/// What all labels of a column have in common.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Column {
    /// All are numbers, except words for a missing value.
    numbers: bool,
    /// All are words for true and false, in more than one notation.
    truths: bool,
}

impl Column {
    fn of<'a>(labels: impl Iterator<Item = &'a str> + Clone) -> Self {
        let filled = || labels.clone().filter(|label| !looks_missing(label));
        let truth = |label: &str| truth(&folded(label)).is_some();
        Self {
            numbers: filled().next().is_some() && filled().all(|label| number(&folded(label)).is_some()),
            truths: filled().count() > 2 && filled().all(truth),
        }
    }

    /// Labels with the same key differ only in notation: in their Unicode form, in invisible characters, in the kind and number
    /// of spaces, or as `1` and `1.0` in a column of numbers.
    fn certain(self, label: &str) -> String {
        // Variation selectors change the appearance of emoji.
        let variant = |letter: char| matches!(letter, '\u{FE00}'..='\u{FE0F}' | '\u{E0000}'..='\u{E0FFF}');
        let letters = label.nfc().map(|(letter, _)| if is_odd_hyphen(letter) { '-' } else { letter });
        let key = words(&visible(letters, variant));
        if self.numbers { without_zeros(&key).unwrap_or(key) } else { key }
    }

    /// Labels with the same key look the same to a person.
    fn loose(self, label: &str) -> String {
        let key = folded(label);
        if self.truths
            && let Some(truth) = truth(&key)
        {
            return truth.to_owned();
        }
        number(&key).unwrap_or(key)
    }
}

/// Removes invisible characters, except those that `meant` accepts and joiners that change the surrounding characters.
fn visible(letters: impl Iterator<Item = char>, meant: impl Fn(char) -> bool) -> String {
    let mut text = String::new();
    for letter in letters {
        let joins =
            matches!(letter, '\u{200C}' | '\u{200D}') && text.chars().next_back().is_some_and(|before| !before.is_ascii());
        if joins || meant(letter) || !is_invisible(letter) {
            text.push(letter);
        }
    }
    text
}

fn truth(word: &str) -> Option<&'static str> {
    match word {
        _ if TRUE.contains(&word) => Some("1"),
        _ if FALSE.contains(&word) => Some("0"),
        _ => None,
    }
}

/// With single spaces between words.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `1.0` and `1.00` are `1`. `None` for anything else: `1.1` and `1.10` can be two versions.
fn without_zeros(key: &str) -> Option<String> {
    let (whole, fraction) = key.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let zeros = fraction.bytes().all(|byte| byte == b'0');
    (zeros && digits(whole.trim_start_matches(['-', '+']))).then(|| whole.to_owned())
}

/// A number in one notation: `1` for `1.0`, `01`, `+1` and `1e0`.
fn number(key: &str) -> Option<String> {
    if !key.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: f64 = key.parse().ok().filter(|value: &f64| value.is_finite())?;
    // Codes with many digits exceed the precision of a float.
    if key.len() > 15 {
        return None;
    }
    Some(if value == 0.0 { "0".to_owned() } else { value.to_string() })
}

/// Ignores case, width, dashes and underscores between words, quotes, and punctuation at the end.
fn folded(label: &str) -> String {
    let mut label = std::borrow::Cow::Borrowed(label);
    for (entity, letter) in ENTITIES.iter().filter(|_| label.contains('&')).copied().collect::<Vec<_>>() {
        label = label.replace(entity, letter).into();
    }
    let visible = visible(label.nfkc().map(|(letter, _)| letter), |_| false);
    let letters: Vec<char> = visible.to_lowercase().chars().map(plain).collect();
    let is_word = |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(|letter| letter.is_alphanumeric());
    let mut key = String::with_capacity(visible.len());
    for (at, &letter) in letters.iter().enumerate() {
        // The sign of a number is not a dash between words.
        let between = matches!(letter, '-' | '_') && is_word(at.checked_sub(1)) && is_word(Some(at + 1));
        key.push(if between { ' ' } else { letter });
    }
    let key = words(&key);
    let bare = key.trim_end_matches(['.', ',', ':', ';', '!', '?', '\'', '"']).trim_start_matches(['\'', '"']).trim();
    if bare.is_empty() { key } else { bare.to_owned() }
}

/// One character for those that look like it.
fn plain(letter: char) -> char {
    match letter {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' => '-',
        '‘' | '’' | '‚' | '`' | '´' => '\'',
        '“' | '”' | '„' | '«' | '»' => '"',
        _ if letter.is_ascii() => letter,
        _ => {
            let at = LOOKALIKES.0.chars().position(|other| other == letter);
            at.and_then(|at| LOOKALIKES.1.chars().nth(at)).unwrap_or(letter)
        }
    }
}

/// Labels as in a file, with their number of rows.
type Forms<'a> = Vec<(&'a str, usize)>;

/// Maps the labels of a file to classes.
pub(super) struct Merging {
    /// The class of each label.
    class: HashMap<String, String>,
    /// Labels that look the same.
    pub(super) groups: Vec<LabelGroup>,
}

impl Merging {
    /// `labels` with their number of rows; `merge` also merges those that look the same.
    pub(super) fn new(labels: &BTreeMap<&str, usize>, merge: bool) -> Self {
        let column = Column::of(labels.keys().copied());
        let mut certain: BTreeMap<String, Forms<'_>> = BTreeMap::new();
        for (&label, &rows) in labels {
            certain.entry(column.certain(label)).or_default().push((label, rows));
        }
        let mut loose: BTreeMap<String, Vec<(&str, Forms<'_>)>> = BTreeMap::new();
        for (key, forms) in certain {
            let clean = forms.iter().find(|(form, _)| *form == key).map(|(form, _)| *form);
            let name = clean.unwrap_or_else(|| named(&key, &forms));
            loose.entry(column.loose(name)).or_default().push((name, forms));
        }
        let (mut class, mut groups) = (HashMap::new(), Vec::new());
        for (key, same) in loose {
            let rows = |forms: &[(&str, usize)]| forms.iter().map(|(_, rows)| rows).sum::<usize>();
            let names: Vec<(&str, usize)> = same.iter().map(|(name, forms)| (*name, rows(forms))).collect();
            let all = named(&key, &names);
            let together = merge && same.len() > 1;
            let mut forms_of_all = Vec::new();
            for (name, forms) in &same {
                let to = if together { all } else { name };
                class.extend(forms.iter().map(|(label, _)| ((*label).to_owned(), to.to_owned())));
                if together {
                    forms_of_all.extend_from_slice(forms);
                } else if forms.len() > 1 {
                    groups.push(group(name, forms, true));
                }
            }
            if together {
                groups.push(group(all, &forms_of_all, true));
            } else if same.len() > 1 {
                groups.push(group(all, &names, false));
            }
        }
        Self { class, groups }
    }

    /// The class of a label.
    pub(super) fn class<'a>(&'a self, label: &'a str) -> &'a str {
        self.class.get(label).map_or(label, String::as_str)
    }
}

fn group(name: &str, labels: &[(&str, usize)], merged: bool) -> LabelGroup {
    let labels = labels.iter().map(|&(name, count)| ClassCount { name: name.to_owned(), count }).collect();
    LabelGroup { name: name.to_owned(), labels, merged }
}

/// The form with the most rows; if several have as many, the key itself or the first of them.
fn named<'a>(key: &str, forms: &[(&'a str, usize)]) -> &'a str {
    forms.iter().rev().max_by_key(|(form, rows)| (*rows, *form == key)).map_or("", |(form, _)| form)
}

/// Finds the class of a label from a further file.
#[derive(Debug, Clone)]
pub struct ClassIndex {
    column: Column,
    merge: bool,
    exact: HashMap<String, u32>,
    certain: HashMap<String, u32>,
    /// `None` if two classes look the same.
    loose: HashMap<String, Option<u32>>,
}

impl ClassIndex {
    /// An index of these classes; `merge` also finds labels that only look like theirs.
    #[must_use]
    pub fn new(classes: &[String], merge: bool) -> Self {
        let column = Column::of(classes.iter().map(String::as_str));
        let mut index = Self { column, merge, exact: HashMap::new(), certain: HashMap::new(), loose: HashMap::new() };
        for (class, at) in classes.iter().zip(0..) {
            index.exact.insert(class.clone(), at);
            index.certain.entry(column.certain(class)).or_insert(at);
            index.loose.entry(column.loose(class)).and_modify(|other| *other = None).or_insert(Some(at));
        }
        index
    }

    /// The class with this label, in any notation.
    #[must_use]
    pub fn find(&self, label: &str) -> Option<u32> {
        let exact = self.exact.get(label).copied();
        let certain = || self.certain.get(&self.column.certain(label)).copied();
        exact.or_else(certain).or_else(|| if self.merge { self.similar(label) } else { None })
    }

    /// The class whose label looks the same.
    #[must_use]
    pub fn similar(&self, label: &str) -> Option<u32> {
        self.loose.get(&self.column.loose(label)).copied().flatten()
    }

    /// Whether the label is exactly the name of a class.
    pub(super) fn is_exact(&self, label: &str) -> bool {
        self.exact.contains_key(label)
    }
}
