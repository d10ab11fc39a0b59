//! The sections of a report.

use std::fmt::Write as _;

use super::charts::{self, Line};
use super::markup::{count, counted, escape, facts, paragraph, percent, section, shortened, table};
use super::{Course, Report};
use crate::config::Method;
use crate::config::describe::method_label;
use crate::eval::interval::Interval;
use crate::eval::{Metrics, verdict};
use crate::nearest::{Nearest, PromptRow};

/// Maximum number of mistakes to list.
const MISTAKES: usize = 100;
/// Maximum number of characters of a text.
const TEXT: usize = 600;
/// Maximum number of classes for drawing the whole confusion matrix.
const MATRIX: usize = 30;
/// Maximum number of confusions to list.
const CONFUSIONS: usize = 20;

fn between(Interval { low, high }: Interval) -> String {
    format!("{} to {}", percent(low), percent(high))
}

/// Accuracy, macro-F1 and baselines.
pub(super) fn figures(report: &Report<'_>, metrics: &Metrics) -> String {
    let (answers, course) = (report.answers, report.course);
    let rows = answers.count() as u64;
    let mut body = format!("<p class=\"big\">{}</p>\n", percent(metrics.accuracy));
    body += &paragraph(&format!(
        "accuracy on {}; 95% confidence interval: {} to {}.",
        counted(rows, "held-out row", "held-out rows"),
        percent(answers.accuracy_interval().low),
        percent(answers.accuracy_interval().high)
    ));
    body += &facts(&[
        ("Macro-F1", percent(metrics.macro_f1)),
        ("Macro-F1, 95% confidence interval", between(answers.macro_f1_interval())),
        ("Linear probe (no prompt)", course.probe_accuracy.map_or_else(|| "not measured".to_owned(), percent)),
        ("Majority class", percent(course.majority_accuracy)),
        (
            "Steps",
            format!(
                "{} of {}{}",
                count(course.steps_done),
                count(course.steps),
                match (course.stopped_early, course.stopped_by_user) {
                    (true, true) => ", stopped by the user",
                    (true, false) => ", ended by early stopping",
                    (false, _) => "",
                }
            ),
        ),
        ("Time", format!("{:.1} s", course.seconds)),
        ("Device", escape(&course.device)),
    ]);
    let is_probe = report.adapter.method() == Method::Probe;
    let verdict = verdict(metrics.accuracy, course.probe_accuracy.filter(|_| !is_probe), course.majority_accuracy);
    if let Some(verdict) = verdict {
        let _ = writeln!(body, "<p class=\"note\">{}</p>", escape(&verdict));
    }
    if answers.count() < report.held_out.len() {
        let all = count(report.held_out.len());
        body += &paragraph(&format!("The run was stopped: the metrics are for {} of the {all} held-out rows.", count(rows)));
    }
    body += "<p class=\"soft\">Intervals: Wilson score interval for the accuracy, bootstrap over the held-out rows for macro-F1. The \
             held-out rows also choose the best step, so the metrics are slightly \
             optimistic.</p>\n";
    section("Results", &body)
}

/// The most confident mistakes, with their texts.
pub(super) fn mistakes(report: &Report<'_>) -> String {
    let answers = report.answers;
    let mistakes = answers.mistakes();
    if mistakes.is_empty() {
        return section("Most confident mistakes", &paragraph("There are no mistakes on the held-out rows."));
    }
    let label = |class: u32| escape(&answers.labels[class as usize]);
    let row = |&answer: &usize| {
        let (text, number) = report
            .held_out
            .get(answers.rows[answer])
            .map_or((String::new(), String::new()), |row| (shortened(&row.text, TEXT), count(row.row)));
        let said = format!("{} ({})", label(answers.predicted[answer]), percent(f64::from(answers.confidence(answer))));
        vec![number, format!("<span class=\"text\">{text}</span>"), label(answers.truth[answer]), said]
    };
    let rows: Vec<Vec<String>> = mistakes.iter().take(MISTAKES).map(row).collect();
    let shown = if mistakes.len() > MISTAKES { format!("; the first {MISTAKES} are shown") } else { String::new() };
    let body = paragraph(&format!(
        "{}, by falling probability{shown}. If the probability is high, check whether the label is right.",
        counted(mistakes.len() as u64, "mistake", "mistakes")
    )) + &table("Most confident mistakes", &["Row", "Text", "Label", "Prediction"], &rows, false);
    section("Most confident mistakes", &body)
}

/// Precision, recall and F1.
pub(super) fn classes(metrics: &Metrics) -> String {
    let rows: Vec<Vec<String>> = metrics
        .per_class
        .iter()
        .map(|class| {
            vec![escape(&class.label), percent(class.precision), percent(class.recall), percent(class.f1), count(class.support)]
        })
        .collect();
    let head = ["Class", "Precision", "Recall", "F1", "Rows"];
    let body = table("Precision, recall and F1", &head, &rows, true)
        + "<p class=\"soft\">Precision: share of the rows predicted as this class that have its label. Recall: share of the rows with \
           this label that are predicted as this class. F1: harmonic mean of the two.</p>\n";
    section("Metrics per class", &body)
}

/// The confusion matrix; with many classes, the most frequent confusions.
pub(super) fn confusion(metrics: &Metrics) -> String {
    let label = |class: usize| escape(&metrics.per_class[class].label);
    let mut confusions: Vec<(u64, usize, usize)> = Vec::new();
    for (truth, row) in metrics.confusion.iter().enumerate() {
        let wrong = row.iter().enumerate().filter(|&(said, &rows)| said != truth && rows > 0);
        confusions.extend(wrong.map(|(said, &rows)| (rows, truth, said)));
    }
    confusions.sort_by_key(|&(rows, ..)| std::cmp::Reverse(rows));
    let mut body = String::new();
    if metrics.per_class.len() <= MATRIX {
        let numbers: Vec<String> = (1..=metrics.per_class.len()).map(|number| number.to_string()).collect();
        let head: Vec<&str> = std::iter::once("Label").chain(numbers.iter().map(String::as_str)).collect();
        let cell = |truth: usize, said: usize, rows: u64| {
            let class = if rows == 0 {
                "zero"
            } else if truth == said {
                "right"
            } else {
                "wrong"
            };
            format!("<span class=\"{class}\">{}</span>", count(rows))
        };
        let row = |(truth, row): (usize, &Vec<u64>)| {
            let cells = row.iter().enumerate().map(|(said, &rows)| cell(truth, said, rows));
            std::iter::once(format!("{} {}", truth + 1, label(truth))).chain(cells).collect()
        };
        let rows: Vec<Vec<String>> = metrics.confusion.iter().enumerate().map(row).collect();
        body += "<p class=\"soft\">Each row is a label, each column a predicted class, by its number.</p>\n";
        body += &table("Confusion matrix", &head, &rows, true);
    } else if !confusions.is_empty() {
        let most = confusions.iter().take(CONFUSIONS);
        let rows: Vec<Vec<String>> = most.map(|&(rows, truth, said)| vec![label(truth), label(said), count(rows)]).collect();
        body += &paragraph(&format!(
            "The most frequent of {}.",
            counted(confusions.len() as u64, "pair of label and prediction", "pairs of label and prediction")
        ));
        body += &table("Most frequent confusions", &["Label", "Prediction", "Rows"], &rows, false);
    } else {
        body += &paragraph("There are no mistakes on the held-out rows.");
    }
    section("Confusion matrix", &body)
}

/// The calibration.
pub(super) fn calibration(report: &Report<'_>) -> String {
    let calibration = report.answers.calibration();
    let points = |share: f64| format!("{:.1} percentage points", share.abs() * 100.0);
    let side = if calibration.excess > 0.0 { "above" } else { "below" };
    let words = format!(
        "Expected calibration error: {} (0 is perfect). The mean probability is {} {side} the accuracy.",
        points(calibration.error),
        points(calibration.excess)
    );
    let filled = calibration.bins.iter().filter(|bin| bin.count > 0);
    let rows: Vec<Vec<String>> = filled
        .map(|bin| {
            vec![
                format!("{} to {}", percent(bin.low), percent(bin.high)),
                count(bin.count),
                percent(bin.confidence),
                percent(bin.accuracy),
            ]
        })
        .collect();
    let body = paragraph(&words)
        + &charts::reliability(&format!("Reliability diagram. {words}"), &calibration)
        + &table("Reliability", &["Probability", "Rows", "Mean probability", "Accuracy"], &rows, true);
    section("Calibration", &body)
}

/// Accuracy and loss over the steps.
pub(super) fn curves(course: &Course) -> String {
    let level = |name, class, value| Line { name, class, points: vec![(0.0, value)], level: true };
    let curve = |name, class, points| Line { name, class, points, level: false };
    let step = |step: usize| step as f64;
    let mut accuracy =
        vec![curve("Held-out accuracy", "accent", course.evaluations.iter().map(|e| (step(e.step), e.accuracy)).collect())];
    accuracy.extend(course.probe_accuracy.map(|value| level("Linear probe", "probe", value)));
    accuracy.push(level("Majority class", "majority", course.majority_accuracy));
    let loss = [
        curve("Training loss", "loss", course.losses.iter().map(|&(at, loss)| (step(at), f64::from(loss))).collect()),
        curve("Held-out loss", "held", course.evaluations.iter().map(|e| (step(e.step), e.loss)).collect()),
    ];
    let best = course.evaluations.iter().rfind(|evaluation| evaluation.best);
    let words = best.map_or_else(
        || "There was no evaluation during the run.".to_owned(),
        |best| {
            format!(
                "Lowest held-out loss {:.3} after {} steps, with an accuracy of {}.",
                best.loss,
                best.step,
                percent(best.accuracy)
            )
        },
    );
    let body = charts::lines("Held-out accuracy", &format!("Held-out accuracy over the steps. {words}"), &accuracy, true)
        + &charts::lines("Loss (cross-entropy)", &format!("Training and held-out loss over the steps. {words}"), &loss, false)
        + &paragraph(&words);
    section("Training curves", &body)
}

/// The method and, after automatic selection, the trials.
pub(super) fn method(report: &Report<'_>) -> String {
    let (config, course) = (&report.adapter.config, report.course);
    let name = serde_json::to_value(config.prompt.method).unwrap_or_default();
    let mut body = facts(&[
        ("Method", escape(method_label(name.as_str().unwrap_or_default()))),
        ("Prompt rows", count(report.adapter.prompt_length())),
        ("Trainable parameters of the prompt", count(course.parameters.0)),
        ("Trainable parameters of the head", count(course.parameters.1)),
    ]);
    if let Some(reason) = &course.reason {
        body += &paragraph(&format!("Automatic selection: {reason}"));
        let rows: Vec<Vec<String>> = course
            .trials
            .iter()
            .map(|trial| {
                vec![
                    escape(method_label(&trial.method)),
                    format!("{:.3}", trial.loss),
                    percent(trial.accuracy),
                    format!("{:.1} s", trial.seconds),
                ]
            })
            .collect();
        body += &table("Trials", &["Method", "Held-out loss", "Accuracy", "Time"], &rows, true);
    }
    body += &paragraph(&format!("Device: {} ({}).", course.device, course.device_reason.trim_end_matches('.')));
    for warning in &course.warnings {
        let _ = writeln!(body, "<p class=\"note\">{}</p>", super::markup::message(warning));
    }
    section("Method", &body)
}

/// The tokens nearest to the prompt.
pub(super) fn nearest(nearest: &Nearest) -> String {
    if let Some(why_not) = &nearest.why_not {
        return section("Nearest tokens", &paragraph(why_not));
    }
    let members = nearest.rows.iter().map(|row| row.member).max().unwrap_or(1);
    let row = |row: &PromptRow| {
        let number = if members > 1 { format!("{}.{}", row.member, row.row) } else { row.row.to_string() };
        let tokens: Vec<String> =
            row.tokens.iter().map(|near| format!("<code>{}</code> {:.2}", escape(&near.token), near.cosine)).collect();
        vec![number, if tokens.is_empty() { "pruned".to_owned() } else { tokens.join(", ") }]
    };
    let rows: Vec<Vec<String>> = nearest.rows.iter().map(row).collect();
    let body = table(
        "Nearest tokens",
        &["Prompt row", "Nearest tokens of the vocabulary, with their cosine similarity"],
        &rows,
        false,
    ) + "<p class=\"soft\">The nearest tokens show where a row lies, not what it does. With a cosine similarity near 1 a row is nearly that token, near 0 it is unrelated.</p>\n";
    section("Nearest tokens", &body)
}

/// The counts of the data.
pub(super) fn data(report: &Report<'_>) -> String {
    let data = report.data;
    let rows = |n: usize| count(n);
    let mut body = facts(&[
        ("File", escape(report.file)),
        ("Rows", rows(data.rows)),
        ("Usable", rows(data.usable)),
        ("Training set", rows(report.course.train_rows)),
        ("Held-out set", rows(report.held_out.len())),
        ("Classes", rows(data.classes.len())),
        ("Without text", rows(data.empty)),
        ("Without label", rows(data.unlabelled)),
        ("Duplicates", rows(data.duplicates)),
        ("Contradictions", rows(data.contradictory)),
        ("Truncated texts", rows(report.course.truncated_texts)),
    ]);
    if !data.notes.is_empty() {
        body += "<ul>\n";
        for note in &data.notes {
            let _ = writeln!(body, "<li class=\"note\">{}</li>", super::markup::message(note));
        }
        body += "</ul>\n";
    }
    let classes: Vec<Vec<String>> = data.classes.iter().map(|class| vec![escape(&class.name), count(class.count)]).collect();
    body += &table("Rows per class", &["Class", "Rows"], &classes, true);
    section("Data", &body)
}

/// Every setting by its name.
pub(super) fn settings(report: &Report<'_>) -> String {
    let json = serde_json::to_value(&report.adapter.config).unwrap_or_default();
    let mut found = Vec::new();
    flatten("", &json, &mut found);
    let rows: Vec<Vec<String>> = found.into_iter().map(|(name, value)| vec![escape(&name), escape(&value)]).collect();
    let table = table("Settings", &["Setting", "Value"], &rows, false);
    section("Settings", &format!("<details>\n<summary>All {} settings</summary>\n{table}</details>\n", rows.len()))
}

/// Settings as `optim.batch_size`, grouped by section.
fn flatten(name: &str, value: &serde_json::Value, out: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(&name, value, out);
            }
        }
        serde_json::Value::Null => out.push((name.to_owned(), "not set".to_owned())),
        serde_json::Value::String(text) => out.push((name.to_owned(), text.clone())),
        other => out.push((name.to_owned(), other.to_string())),
    }
}

/// Versions and hashes, to reproduce the result.
pub(super) fn versions(report: &Report<'_>) -> String {
    let adapter = report.adapter;
    let hash = |hash: Option<&str>| format!("<code>{}</code>", escape(hash.unwrap_or("unknown")));
    let body = facts(&[
        ("Softprompt", env!("CARGO_PKG_VERSION").to_owned()),
        ("Encoder", escape(&adapter.base_model.name)),
        ("Seed", adapter.config.seed.to_string()),
        ("SHA-256 of the encoder's weights", hash(adapter.base_model.sha256.as_deref())),
        ("SHA-256 of the data", hash(adapter.data_sha256.as_deref())),
    ]);
    section("Versions", &body)
}
