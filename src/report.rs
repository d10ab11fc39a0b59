//! [`Report`]: all that is known about a run, as one HTML file for people. It stands alone: style and pictures are in it, it has no
//! script and asks for nothing, and its own policy forbids both. It shows texts of the data, so it goes where they may go.

mod charts;
mod course;
mod markup;
mod sections;

use crate::adapter::Adapter;
use crate::data::dataset::{DataReport, TextRow};
use crate::error::Result;
use crate::eval::answers::Answers;
use crate::nearest::Nearest;
pub use course::{Course, Evaluation, Trial};
use markup::escape;

/// What a report is made of.
pub struct Report<'a> {
    /// Name of the data file.
    pub file: &'a str,
    /// What became of its rows.
    pub data: &'a DataReport,
    /// The result, with its settings.
    pub adapter: &'a Adapter,
    /// How it came about.
    pub course: &'a Course,
    /// What it says of the held-out rows.
    pub answers: &'a Answers,
    /// All held-out rows.
    pub held_out: &'a [TextRow],
    /// What the prompt is near to.
    pub nearest: &'a Nearest,
}

impl Report<'_> {
    /// The HTML file. The same report is the same text.
    ///
    /// # Errors
    /// As [`Answers::metrics`].
    pub fn to_html(&self) -> Result<String> {
        let metrics = self.answers.metrics()?;
        let sections = [
            sections::figures(self, &metrics),
            sections::mistakes(self),
            sections::classes(&metrics),
            sections::confusion(&metrics),
            sections::calibration(self),
            sections::curves(self.course),
            sections::method(self),
            sections::nearest(self.nearest),
            sections::data(self),
            sections::settings(self),
            sections::versions(self),
        ];
        let title = format!("Softprompt report: {}", escape(self.file));
        Ok(format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{}</style>\n\
             </head>\n<body>\n<main>\n<h1>{title}</h1>\n<p class=\"soft\">This file holds texts of your data. It asks for nothing from \
             the network.</p>\n{}</main>\n</body>\n</html>\n",
            include_str!("report/style.css"),
            sections.concat()
        ))
    }
}
