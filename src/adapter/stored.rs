//! The matrices that each method stores, derived from its settings alone. Files are checked against this before their content is
//! used.

use super::{Adapter, Matrix};
use crate::config::{Generator, Method};

/// Rows and columns of a stored matrix; `None` if they depend on the encoder.
type Shape = [Option<usize>; 2];

/// Names and shapes, in order. A size that overflows is `usize::MAX`.
pub(super) fn expected(adapter: &Adapter) -> Vec<(&'static str, Shape)> {
    let (prompt, hidden) = (&adapter.config.prompt, adapter.hidden());
    let matrix = |name, rows: usize, columns: usize| (name, [Some(rows), Some(columns)]);
    let rows = matrix("prompt", prompt.length.saturating_mul(adapter.members()), hidden);
    match adapter.method() {
        Method::Probe => Vec::new(),
        Method::Deep => {
            let width = adapter.base_model.layers.map(|layers| layers.saturating_mul(2).saturating_mul(hidden));
            vec![("prefix", [Some(prompt.length), width])]
        }
        Method::Late if prompt.late.generator != Generator::None => {
            let (neurons, naive) = (prompt.late.bottleneck, prompt.late.generator == Generator::Naive);
            let outputs = if naive { prompt.length.saturating_mul(hidden) } else { hidden };
            vec![
                matrix("generator.down.weight", neurons, hidden),
                matrix("generator.down.bias", 1, neurons),
                matrix("generator.up.weight", outputs, neurons),
                matrix("generator.up.bias", 1, outputs),
            ]
        }
        Method::Efficient if prompt.efficient.update => {
            let rank = prompt.efficient.rank;
            vec![rows, ("update_rows", [None, Some(rank)]), matrix("update_basis", rank, hidden)]
        }
        Method::Prompt | Method::Late | Method::Efficient | Method::Ensemble | Method::Progressive | Method::Auto => vec![rows],
    }
}

/// What is wrong with these names, if anything.
pub(super) fn wrong_names<'a>(adapter: &Adapter, found: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    let wanted = expected(adapter).into_iter().map(|(name, _)| name);
    if found.clone().eq(wanted.clone()) {
        return None;
    }
    // At most as many as there can be, whatever the file contains.
    let found: Vec<&str> = found.take(10).collect();
    Some(format!("the adapter has {found:?}, but its settings require {:?}", wanted.collect::<Vec<_>>()))
}

/// What is wrong with these matrices, if anything.
pub(super) fn wrong_matrices(adapter: &Adapter) -> Option<String> {
    let names = adapter.stored.iter().map(|matrix| matrix.name.as_str());
    wrong_names(adapter, names).or_else(|| {
        adapter.stored.iter().zip(expected(adapter)).find_map(|(Matrix { name, shape, values }, (_, [rows, columns]))| {
            let fits = rows.is_none_or(|rows| rows == shape[0]) && columns.is_none_or(|columns| columns == shape[1]);
            if !fits {
                let size = |size: Option<usize>| size.map_or("any".to_owned(), |size| size.to_string());
                return Some(format!("{name} has shape {shape:?}, but its settings require [{}, {}]", size(rows), size(columns)));
            }
            let elements = shape[0].checked_mul(shape[1]);
            (elements != Some(values.len())).then(|| format!("{name} has {} elements, but its shape is {shape:?}", values.len()))
        })
    })
}
