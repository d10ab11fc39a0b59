//! Notes: one per kind, with a count and at most five examples.

use super::labels::LabelGroup;
use crate::data::cells::shown;
use crate::data::table::rows_have;

/// Maximum number of examples in a note.
const EXAMPLES: usize = 5;

/// Adds a note on some rows, if there are any: `rows_have`, then `what`.
pub(super) fn rows(notes: &mut Vec<String>, rows: &[u64], what: &str) {
    if !rows.is_empty() {
        notes.push(format!("{} {what}", rows_have(rows)));
    }
}

/// Adds a note on some classes: the class, then `one`, or the number of classes, then `many`.
pub(super) fn classes<'a>(notes: &mut Vec<String>, classes: impl IntoIterator<Item = &'a str>, one: &str, many: &str) {
    let classes: Vec<&str> = classes.into_iter().collect();
    match classes.as_slice() {
        [] => {}
        [class] => notes.push(format!("class `{}` {one}", shown(class))),
        _ => notes.push(format!("{} classes ({}) {many}", classes.len(), some(&classes))),
    }
}

/// `a`, `b` and 7 more.
pub(super) fn some<S: AsRef<str>>(names: &[S]) -> String {
    let list = names.iter().take(EXAMPLES).map(|name| format!("`{}`", shown(name.as_ref()))).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(EXAMPLES) {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}

/// The note on labels that look the same and are merged, or on those that are not.
pub(super) fn similar(groups: &[LabelGroup], merged: bool) -> Option<String> {
    let found: Vec<&LabelGroup> = groups.iter().filter(|group| group.merged == merged).collect();
    let group = |group: &&LabelGroup| {
        let labels: Vec<&str> = group.labels.iter().map(|label| label.name.as_str()).collect();
        some(&labels)
    };
    let mut list = found.iter().take(EXAMPLES).map(group).collect::<Vec<_>>().join("; ");
    if found.len() > EXAMPLES {
        list.push_str("; ...");
    }
    let taken = "treated as different classes; data.merge_labels (--merge-labels) merges them";
    Some(match (found.len(), merged) {
        (0, _) => return None,
        (1, true) => format!("1 class has labels in different notations, which are merged: {list}"),
        (count, true) => format!("{count} classes have labels in different notations, which are merged: {list}"),
        (1, false) => format!("1 group of labels looks the same ({list}): they are {taken}"),
        (count, false) => format!("{count} groups of labels look the same ({list}): they are {taken}"),
    })
}
