//! What is below a table in the same file: a second table, or a sentence about it.

use std::collections::HashSet;

use csv::StringRecord;

use super::super::record::is_blank;
use super::super::rows_are;
use super::{Layout, Sure, cells, judge, known, reads_as_name, same_names};

/// Minimum number of rows of a table with something below it.
const FEWEST: usize = 4;
/// Minimum number of words of a sentence.
const SENTENCE: usize = 6;
/// Maximum number of rows that read like headers and are reported; more are the content of the table.
const HEADERS: usize = 3;

/// The values of the columns that repeat their values, as labels do.
struct Repeating<'a>(Vec<(usize, HashSet<&'a str>)>);

impl<'a> Repeating<'a> {
    fn of(records: &[&'a StringRecord], width: usize) -> Self {
        let column = |column: usize| {
            let values: Vec<&str> =
                records.iter().filter_map(|record| record.get(column)).map(str::trim).filter(|cell| !cell.is_empty()).collect();
            let distinct: HashSet<&str> = values.iter().copied().collect();
            (values.len() >= FEWEST && distinct.len() * 2 <= values.len()).then_some((column, distinct))
        };
        Self((0..width).filter_map(column).collect())
    }

    /// Whether a record has none of these values. Unknown, and false, if no column repeats its values.
    fn is_foreign(&self, record: &StringRecord) -> bool {
        !self.0.is_empty()
            && self.0.iter().all(|(column, values)| record.get(*column).is_none_or(|cell| !values.contains(cell.trim())))
    }
}

/// A second table behind a blank line: its first row is a header, and none of its rows has a label of the first table. If only
/// the header is certain, it alone is left out; if it is not, there is a note.
pub(super) fn second_table(records: &[StringRecord], rows: &[u64], width: usize, layout: &mut Layout) {
    let out: HashSet<usize> = layout.left_out.iter().copied().collect();
    let start = layout.header.map_or(0, |header| header + 1);
    let used: Vec<usize> = (start..records.len()).filter(|at| !is_blank(&records[*at]) && !out.contains(at)).collect();
    let mut found = false;
    // Only a few places: every one compares all rows.
    let gaps = (FEWEST..used.len()).filter(|&place| rows[used[place]] > rows[used[place - 1]] + 1).filter(|&place| {
        let head = &records[used[place]];
        cells(head).count() >= 2 && cells(head).all(reads_as_name)
    });
    for place in gaps.take(HEADERS) {
        let (above, below) = used.split_at(place);
        let head = &records[below[0]];
        let rest: Vec<StringRecord> = below[1..].iter().map(|&at| records[at].clone()).collect();
        if layout.header.is_some_and(|header| same_names(&records[header], head)) {
            continue;
        }
        let sure = judge(head, &rest, head.len().max(width), false);
        let above: Vec<&StringRecord> = above.iter().map(|&at| &records[at]).collect();
        let labels = Repeating::of(&above, width);
        if sure.is_none() || !labels.is_foreign(head) {
            continue;
        }
        let names = cells(head).take(5).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        found = true;
        if !rest.is_empty() && below.len() <= above.len() && rest.iter().all(|record| labels.is_foreign(record)) {
            let lines: Vec<u64> = below.iter().map(|&at| rows[at]).collect();
            layout
                .notes
                .push(format!("{} a second table, below a blank line, with the header {names}, and left out", rows_are(&lines)));
            layout.left_out.extend(below);
            return;
        }
        let line = [rows[below[0]]];
        if sure == Some(Sure::Words) {
            layout
                .notes
                .push(format!("{} the header of another table ({names}), below a blank line, and left out", rows_are(&line)));
            layout.left_out.push(below[0]);
        } else {
            layout.notes.push(format!("row {} reads like the header of another table ({names}), but is used as a row", line[0]));
        }
    }
    let names = |at: &&usize| cells(&records[**at]).count() >= 2 && cells(&records[**at]).all(known);
    let again: Vec<u64> = used.iter().filter(names).map(|&at| rows[at]).take(HEADERS + 1).collect();
    if !found && layout.header.is_some() && !again.is_empty() && again.len() <= HEADERS {
        let verb = if again.len() == 1 {
            "reads like a header, but is used as a row"
        } else {
            "read like headers, but are used as rows"
        };
        layout.notes.push(format!("{} {verb}", super::super::rows_list(&again)));
    }
}

/// A sentence with commas as the last row: a cell begins with a blank, as no cell of the rows does, and its label is not one of
/// theirs. Below a blank line it is left out.
pub(super) fn sentence(records: &[StringRecord], rows: &[u64], width: usize, layout: &mut Layout) {
    let out: HashSet<usize> = layout.left_out.iter().copied().collect();
    let start = layout.header.map_or(0, |header| header + 1);
    let used: Vec<usize> = (start..records.len()).filter(|at| !is_blank(&records[*at]) && !out.contains(at)).collect();
    let Some((&last, above)) = used.split_last().filter(|(_, above)| above.len() >= FEWEST) else { return };
    let spaced = |record: &StringRecord| record.iter().skip(1).any(|cell| cell.starts_with(' ') && !cell.trim().is_empty());
    let text = cells(&records[last]).collect::<Vec<_>>().join(", ");
    if !spaced(&records[last]) || text.split_whitespace().count() < SENTENCE {
        return;
    }
    let above: Vec<&StringRecord> = above.iter().map(|&at| &records[at]).collect();
    let others = above.iter().filter(|record| spaced(record)).count();
    if others > 0 || !Repeating::of(&above, width).is_foreign(&records[last]) {
        return;
    }
    let text: String = text.chars().take(60).collect();
    if rows[last] > rows[used[used.len() - 2]] + 1 {
        layout.notes.push(format!("{} below the last row of the table and left out: `{text}`", rows_are(&[rows[last]])));
        layout.left_out.push(last);
    } else {
        layout
            .notes
            .push(format!("the last row ({}) reads like a sentence about the table, but is used as a row: `{text}`", rows[last]));
    }
}
