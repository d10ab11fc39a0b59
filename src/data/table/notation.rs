//! Texts that are not CSV: fastText labels, drawn tables, ARFF. Notations that are simple and unambiguous are read; others are
//! rejected by name.

use csv::StringRecord;

use super::decode::Decoded;
use super::header::is_usual;
use super::records::Records;
use super::rows_have;
use crate::error::{Error, Result};

mod arff;
mod drawn;

/// The prefix of fastText labels.
const LABEL: &str = "__label__";
/// Number of lines that are examined to detect a notation.
const SAMPLE: usize = 200;

/// The records of a text in one of these notations; `None` if it is in none of them.
///
/// # Errors
/// [`Error::Data`] for a notation that is not supported, and for one that is malformed.
pub(super) fn read(decoded: &Decoded) -> Result<Option<Records>> {
    let text = decoded.text.as_str();
    let first: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(SAMPLE).collect();
    refuse(&first)?;
    let records = if is_fasttext(&first) {
        fasttext(text)
    } else if let Some(records) = arff::read(text, &first)? {
        Some(records)
    } else {
        drawn::read(text, &first)
    };
    Ok(records.map(|mut records| {
        records.encoding = decoded.encoding;
        records.notes.splice(0..0, decoded.notes.iter().cloned());
        records
    }))
}

/// # Errors
/// [`Error::Data`] with the name of the notation and a hint.
fn refuse(first: &[&str]) -> Result<()> {
    let starts = |start: &str| first.first().is_some_and(|line| line.starts_with(start));
    let share = |test: fn(&str) -> bool| first.iter().filter(|line| test(line)).count() * 10 >= first.len() * 4;
    let yaml = || {
        let value = |line: &str| {
            line.trim_start_matches("- ")
                .split_once(':')
                .is_some_and(|(name, _)| !name.is_empty() && !name.contains([' ', ',', '"', '\t']))
        };
        first.iter().any(|line| line.starts_with("- "))
            && first
                .iter()
                .filter(|line| !line.starts_with('#') && **line != "---")
                .all(|line| value(line) || line.starts_with("- "))
            && first.iter().filter(|line| line.starts_with("- ") && value(line)).count() > 1
    };
    let found = if starts("version https://git-lfs") {
        Some((
            "a Git LFS pointer, not the file itself",
            "fetch the file with `git lfs pull`, or download it from the project's page",
        ))
    } else if first.iter().any(|line| is_insert(line)) || starts("-- MySQL dump") || starts("-- PostgreSQL") {
        Some(("an SQL dump", "export the table as CSV"))
    } else if first.iter().any(|line| line.starts_with("\\begin{tabular}") || line.starts_with("\\documentclass")) {
        Some(("LaTeX", "save the table as CSV"))
    } else if starts("nlu:") || (starts("version:") && first.iter().any(|line| line.starts_with("nlu:"))) {
        Some(("Rasa's YAML", "convert it with `rasa data convert nlu -f json`, or write a row `text,intent` for each example"))
    } else if yaml() {
        Some(("YAML", "write it as JSON, a list of objects, or as CSV"))
    } else if first.len() > 2 && share(holds_object) {
        Some((
            "JSON with something else between its objects, such as comments or a log",
            "remove it, so that each line is an object such as {\"text\": \"so good\", \"label\": \"positive\"}",
        ))
    } else if first.len() > 2 && share(|line| line.starts_with("<row") || line.starts_with("<item")) {
        Some(("XML", "export the table as CSV"))
    } else if first.len() > 3 && first.iter().all(|line| is_svmlight(line)) {
        Some(("a list of numbered features (svmlight), not of texts", "give the texts themselves, with their labels"))
    } else {
        None
    };
    found.map_or(Ok(()), |(what, hint)| Err(Error::data(format!("this is {what}"), hint)))
}

/// A line that is, or ends with, a JSON object; not a cell of a table with tabs, or one in quotes.
fn holds_object(line: &str) -> bool {
    let line = line.trim_end_matches(',');
    line.find("{\"")
        .is_some_and(|at| !line[..at].contains(['\t', '"']) && serde_json::from_str::<serde::de::IgnoredAny>(&line[at..]).is_ok())
}

/// `INSERT INTO t VALUES (...)`, or values on separate lines.
fn is_insert(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let values = lower.strip_prefix("insert into ").and_then(|rest| rest.split_once("values")).map(|(_, rest)| rest.trim_start());
    values.is_some_and(|rest| rest.is_empty() || rest.starts_with('('))
}

/// `1 3:0.5 7:1`.
fn is_svmlight(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let label = words.next().is_some_and(|word| word.parse::<f64>().is_ok());
    let mut features = 0;
    let all = words.all(|word| {
        features += 1;
        word.split_once(':').is_some_and(|(index, value)| index.parse::<u32>().is_ok() && value.parse::<f64>().is_ok())
    });
    label && all && features > 1
}

/// Whether most lines begin with a label or contain a separate one.
fn is_fasttext(first: &[&str]) -> bool {
    let most = |test: &dyn Fn(&str) -> bool| {
        let count = first.iter().filter(|line| test(line)).count();
        count > 0 && count * 10 >= first.len() * 9 - 9
    };
    most(&|line| line.trim_start_matches('"').starts_with(LABEL)) || most(&|line| line.contains(" __label__"))
}

/// A header above lines with labels and texts.
fn is_header(line: &str) -> bool {
    !line.contains(LABEL)
        && line.split([',', '\t', ';']).count() > 1
        && line.split([',', '\t', ';']).all(|name| is_usual(name.trim().trim_matches('"')))
}

/// `__label__good so good`: labels in front of the text or anywhere in it.
fn fasttext(text: &str) -> Option<Records> {
    let mut records = vec![StringRecord::from(vec!["label", "text"])];
    let (mut rows, mut several) = (vec![0], Vec::new());
    for (line, row) in text.lines().zip(1..) {
        if line.trim().is_empty() || (rows.len() == 1 && is_header(line)) {
            continue;
        }
        let mut labels = Vec::new();
        let mut rest = String::with_capacity(line.len());
        // Labels are separated by spaces; some files put a comma or a tab after them.
        let mut left = line.trim();
        while let Some(at) = left.find(LABEL) {
            let behind = &left[at + LABEL.len()..];
            let apart = left[..at].chars().next_back().is_none_or(|letter| letter.is_whitespace() || matches!(letter, ',' | '"'));
            let end = behind.find(|letter: char| letter.is_whitespace() || letter == ',').unwrap_or(behind.len());
            if !apart || end == 0 {
                rest.push_str(&left[..at + LABEL.len()]);
                left = behind;
                continue;
            }
            labels.push(&behind[..end]);
            rest.push_str(&left[..at]);
            left = behind[end..].trim_start();
            left = left.strip_prefix(',').unwrap_or(left).trim_start();
        }
        rest.push_str(left);
        let rest = rest.trim();
        let quoted = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|inner| !inner.is_empty());
        let words = quoted.map_or_else(|| rest.to_owned(), |inner| inner.replace("\"\"", "\""));
        if labels.len() > 1 {
            several.push(row);
        }
        records.push(StringRecord::from(vec![labels.join("|"), words]));
        rows.push(row);
    }
    let mut records = Records::new(records, rows, super::records::Names::Given, super::Format::Text);
    records.quoting = false;
    records.separator = b' ';
    records.notes.push("this is a fastText file: the words that begin with `__label__` are the labels".into());
    if !several.is_empty() {
        let rows = rows_have(&several);
        records
            .notes
            .push(format!("{rows} several labels, which are combined into one, such as `a|b`: a text can only have one label"));
    }
    Some(records)
}
