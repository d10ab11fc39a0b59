//! [`Report`]: everything about a result, as one HTML file. The file is self-contained, has no scripts and makes no network
//! requests, and its content security policy forbids both. It contains texts of the data.

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

/// The content of a report.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// Name of the data file.
    pub file: &'a str,
    /// How its rows are used.
    pub data: &'a DataReport,
    /// The result, with its settings.
    pub adapter: &'a Adapter,
    /// The course of the run.
    pub course: &'a Course,
    /// The predictions for the held-out rows.
    pub answers: &'a Answers,
    /// All held-out rows.
    pub held_out: &'a [TextRow],
    /// The tokens nearest to the prompt.
    pub nearest: &'a Nearest,
}

impl Report<'_> {
    /// The HTML file. The same report gives the same text.
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
             </head>\n<body>\n<main>\n<h1>{title}</h1>\n<p class=\"soft\">This file contains texts of your data. It makes no network \
             requests.</p>\n{}</main>\n</body>\n</html>\n",
            include_str!("report/style.css"),
            sections.concat()
        ))
    }
}
