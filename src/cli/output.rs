//! Output to stdout (results; with `--json`, one object per line) and to stderr (everything else).

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::Serialize;

use crate::cli::files::system_error;
use crate::error::Result;
use crate::eval::ClassMetrics;

/// Maximum number of classes in a table; of more, those with the lowest F1 are shown.
const TABLE_CLASSES: usize = 30;

/// Stdout and stderr, for people or for scripts.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    closed: Cell<bool>,
}

impl Output {
    /// For people or, with `json`, for scripts.
    #[must_use]
    pub(crate) fn new(json: bool) -> Self {
        Self { json, closed: Cell::new(false) }
    }

    /// Whether the output is for scripts.
    #[must_use]
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether the reader of stdout has closed it (`softprompt ... | head`), so that further results are not needed.
    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// A result for people.
    ///
    /// # Errors
    /// If stdout cannot be written, except because its reader has closed it.
    pub(crate) fn line(&self, text: &str) -> Result<()> {
        if self.json { Ok(()) } else { self.write(&printable(text)) }
    }

    /// A result for scripts.
    ///
    /// # Errors
    /// As [`Self::line`].
    pub(crate) fn object(&self, object: &impl Serialize) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        match serde_json::to_string(object) {
            // JSON requires escapes only for control characters below the space; terminals also interpret some others.
            Ok(text) => self.write(&escaped(&text)),
            Err(error) => Err(system_error(Path::new("stdout"), &error.into())),
        }
    }

    /// A message for people, on stderr.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            to_stderr(text);
        }
    }

    fn write(&self, text: &str) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.closed.set(true),
            Err(error) => return Err(system_error(Path::new("stdout"), &error)),
            Ok(()) => {}
        }
        Ok(())
    }
}

/// Writes lines to stderr, without control characters from the files, names and answers that they quote.
pub(crate) fn to_stderr(text: &str) {
    // If stderr is closed, there is nowhere left to report it.
    let _ = writeln!(std::io::stderr(), "{}", printable(text));
}

/// Whether a terminal may interpret a character instead of showing it: control characters and those that change the text
/// direction.
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text for a terminal: with its line breaks, and a replacement character for everything else that a terminal would interpret.
#[must_use]
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| is_obeyed(c) && c != '\n' && c != '\t';
    if text.contains(obeyed) { text.replace(obeyed, "\u{fffd}").into() } else { text.into() }
}

/// JSON with such characters escaped. They can only occur inside strings.
fn escaped(json: &str) -> Cow<'_, str> {
    if !json.contains(is_obeyed) {
        return json.into();
    }
    json.chars()
        .fold(String::with_capacity(json.len()), |mut out, c| {
            if is_obeyed(c) {
                // All of them are below U+10000.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            } else {
                out.push(c);
            }
            out
        })
        .into()
}

/// A share as a percentage.
#[must_use]
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// `one row`, `2,000 rows`.
#[must_use]
pub(crate) fn count(n: usize, one: &str, many: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        _ => format!("{} {many}", thousands(n)),
    }
}

/// `12,345`.
#[must_use]
pub(crate) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0:07`, `12:34`, `1:02:03`.
#[must_use]
pub(crate) fn clock(seconds: f64) -> String {
    // A cast of NaN or infinity saturates.
    let seconds = seconds.round().max(0.0) as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// One line of a text or a name from a file: without control characters, and truncated to `width`.
#[must_use]
pub(crate) fn one_line(text: &str, width: usize) -> String {
    let mut line: String = text.chars().map(|c| if is_obeyed(c) { ' ' } else { c }).take(width + 1).collect();
    if line.chars().count() > width {
        line = line.chars().take(width.saturating_sub(1)).collect();
        line.push('…');
    }
    line
}

/// Rows of cells as aligned columns: the first left-aligned, the others right-aligned.
#[must_use]
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell_width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(cell_width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells: Vec<_> =
            cells.map(|(i, (cell, &w))| if i == 0 { format!("{cell:<w$}") } else { format!("{cell:>w$}") }).collect();
        format!("  {}", cells.join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The metrics of each class; if there are many, of those with the lowest F1.
#[must_use]
pub(crate) fn class_table(classes: &[ClassMetrics]) -> String {
    let mut shown: Vec<&ClassMetrics> = classes.iter().collect();
    let mut heading = "class".to_owned();
    if classes.len() > TABLE_CLASSES {
        // A class without a text has no metrics.
        shown.retain(|class| class.support > 0);
        shown.sort_by(|a, b| a.f1.total_cmp(&b.f1));
        shown.truncate(TABLE_CLASSES);
        heading = format!("lowest F1, {TABLE_CLASSES} of {} classes", classes.len());
    }
    let mut rows = vec![vec![heading, "precision".into(), "recall".into(), "F1".into(), "texts".into()]];
    rows.extend(shown.iter().map(|class| {
        vec![
            one_line(&class.label, 40),
            percent(class.precision),
            percent(class.recall),
            percent(class.f1),
            thousands(class.support as usize),
        ]
    }));
    table(&rows)
}
