//! What goes to stdout (results, or with `--json` one object a line) and to stderr (everything else).

use std::cell::Cell;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::Serialize;

use crate::cli::files::system_error;
use crate::error::Result;
use crate::eval::ClassMetrics;

/// Classes of which a table is shown whole; of more, the weakest.
const TABLE_CLASSES: usize = 30;

/// Stdout and stderr, in one of two languages.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    closed: Cell<bool>,
}

impl Output {
    /// For people, or with `json` for scripts.
    #[must_use]
    pub(crate) fn new(json: bool) -> Self {
        Self { json, closed: Cell::new(false) }
    }

    /// Whether scripts read it.
    #[must_use]
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether the reader of stdout has gone (`softprompt ... | head`): there is no need to go on for it.
    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// A result for people.
    ///
    /// # Errors
    /// Where stdout cannot be written, other than because its reader has gone.
    pub(crate) fn line(&self, text: &str) -> Result<()> {
        if self.json { Ok(()) } else { self.write(text) }
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
            Ok(text) => self.write(&text),
            Err(error) => Err(system_error(Path::new("stdout"), &error.into())),
        }
    }

    /// A word on what is going on, for people, on stderr.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            // A program whose stderr is closed has nobody to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
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

/// One line of a text or a name from a file: without control characters, which a terminal might obey, and cut to `width`.
#[must_use]
pub(crate) fn one_line(text: &str, width: usize) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(width + 1).collect();
    if line.chars().count() > width {
        line = line.chars().take(width.saturating_sub(1)).collect();
        line.push('…');
    }
    line
}

/// Rows of cells as aligned columns: the first to the left, the others to the right.
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

/// The figures of each class, or of the weakest where there are many.
#[must_use]
pub(crate) fn class_table(classes: &[ClassMetrics]) -> String {
    let mut shown: Vec<&ClassMetrics> = classes.iter().collect();
    let mut heading = "class".to_owned();
    if classes.len() > TABLE_CLASSES {
        // Nothing is known of a class without a text.
        shown.retain(|class| class.support > 0);
        shown.sort_by(|a, b| a.f1.total_cmp(&b.f1));
        shown.truncate(TABLE_CLASSES);
        heading = format!("weakest {TABLE_CLASSES} of {} classes", classes.len());
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
