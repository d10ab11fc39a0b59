//! Exports of annotation tools: Label Studio, Prodigy.

use std::collections::BTreeSet;

use super::value::{Json, Members, member};
use super::{Objects, rows_list};
use crate::error::{Error, Result};

/// Columns of Label Studio exports that are not data.
const STUDIO: &[&str] = &["annotator", "annotation_id", "created_at", "updated_at", "lead_time"];
/// Columns of Prodigy exports that are not data, besides those that begin with `_`.
const PRODIGY: &[&str] = &["options", "tokens", "spans", "accept", "answer", "view_id", "session_id", "annotator_id"];

/// A Label Studio task as a row: its data, and each annotation under the name of its question. The second value says whether its
/// annotations differ, in which case none of them is used.
pub(super) fn studio(members: &Members) -> Option<(Members, bool)> {
    let annotations = member(members, "annotations").or_else(|| member(members, "completions"))?.as_list()?;
    let data = member(members, "data")?.as_object()?;
    let mut row = data.clone();
    let cancelled = |annotation: &&Json| annotation.get("was_cancelled") == Some(&Json::Bool(true));
    let answers: Vec<Members> = annotations.iter().filter(|annotation| !cancelled(annotation)).map(answers).collect();
    let differ = answers.windows(2).any(|pair| pair[0] != pair[1]);
    let names: BTreeSet<&String> = answers.iter().flatten().map(|(name, _)| name).collect();
    for name in names {
        let value = if differ { None } else { answers.first().and_then(|answer| member(answer, name)) };
        let name = if member(data, name).is_some() { format!("{name}_label") } else { name.clone() };
        row.push((name, value.cloned().unwrap_or(Json::Null)));
    }
    Some((row, differ))
}

/// The results of an annotation.
fn answers(annotation: &Json) -> Members {
    let mut found = Members::new();
    for result in annotation.get("result").and_then(Json::as_list).unwrap_or_default() {
        let value = ["choices", "rating", "taxonomy"].iter().find_map(|kind| result.get("value")?.get(kind));
        let name = result.get("from_name").and_then(Json::as_text).unwrap_or("label");
        if let Some(value) = value
            && member(&found, name).is_none()
        {
            found.push((name.to_owned(), one_label(value)));
        }
    }
    found
}

/// Several labels as one, `a|b`; a path of a taxonomy as `a/b`.
fn one_label(value: &Json) -> Json {
    let path = |item: &Json| match item {
        Json::List(path) => path.iter().filter_map(Json::cell).collect::<Vec<_>>().join("/"),
        item => item.cell().unwrap_or_default(),
    };
    match value {
        Json::List(items) if !items.is_empty() => Json::Text(items.iter().map(path).collect::<Vec<_>>().join("|")),
        value => value.clone(),
    }
}

/// Converts the export of an annotation tool to plain columns and adds a note.
///
/// # Errors
/// [`Error::Data`] for an export of another task, such as spans.
pub(super) fn settle(table: &mut Objects) -> Result<()> {
    let has = |table: &Objects, name: &str| table.columns.contains_key(name);
    if table.studio > 0 && table.names.iter().all(|name| table.plain.contains(name)) {
        return Err(Error::data(
            "this Label Studio export has no choices: its tasks have no label for the whole text",
            "label the texts with `Choices`, or export another project",
        ));
    }
    if !table.differ.is_empty() {
        let rows = rows_list(&table.differ);
        table.notes.push(format!("{rows} with contradictory annotations, which get no label"));
    }
    if table.studio > 0 {
        table.notes.push("this is a Label Studio export: its annotations are used as labels".into());
    } else if has(table, "annotation_id") && has(table, "lead_time") {
        let dropped = table.drop_columns(|name| STUDIO.contains(&name));
        table.notes.push(format!("this is a Label Studio export: its columns {dropped} are left out"));
    }
    if (has(table, "_task_hash") || has(table, "_input_hash")) && has(table, "answer") {
        prodigy(table);
    }
    Ok(())
}

/// Prodigy: the accepted option is the label. If there is only one label, a rejected example is the other class. Otherwise, and
/// if it was ignored, the row is left out.
fn prodigy(table: &mut Objects) {
    let column = |table: &Objects, name: &str| table.columns.get(name).copied();
    let cell = |cells: &[(usize, String)], column: Option<usize>| -> String {
        cells.iter().find(|(at, _)| Some(*at) == column).map_or_else(String::new, |(_, cell)| cell.clone())
    };
    let (answer, accept) = (column(table, "answer"), column(table, "accept"));
    let label = match column(table, "label") {
        Some(label) => label,
        None => table.column("label"),
    };
    let labels: BTreeSet<String> =
        table.objects.iter().map(|cells| cell(cells, Some(label))).filter(|label| !label.is_empty()).collect();
    let single = labels.len() == 1 && accept.is_none();
    let (mut kept, mut rows, mut left_out, mut negative) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (mut cells, row) in std::mem::take(&mut table.objects).into_iter().zip(std::mem::take(&mut table.rows)) {
        let given = if accept.is_some() { cell(&cells, accept) } else { cell(&cells, Some(label)) };
        let given = match (cell(&cells, answer).as_str(), single) {
            ("accept", _) => Some(given),
            ("reject", true) => {
                negative += 1;
                Some(format!("not {given}"))
            }
            _ => None,
        };
        let Some(given) = given else {
            left_out.push(row);
            continue;
        };
        cells.retain(|(at, _)| *at != label);
        cells.push((label, given));
        kept.push(cells);
        rows.push(row);
    }
    (table.objects, table.rows) = (kept, rows);
    let mut note = "this is a Prodigy export: accepted labels are used".to_owned();
    if negative > 0 {
        note.push_str(&format!(
            ", and {negative} rejected examples get the label `not {}`",
            labels.first().map_or("", String::as_str)
        ));
    }
    table.notes.push(note);
    if !left_out.is_empty() {
        table.notes.push(format!("{} rejected or ignored and left out", super::rows_are(&left_out)));
    }
    table.drop_columns(|name| name.starts_with('_') || PRODIGY.contains(&name));
}
