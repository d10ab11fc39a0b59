//! Which buffer holds which value: a value has its buffer from the step that writes it to the last one that reads it.

use std::collections::HashMap;

use super::{PlanValue, Step};
use crate::program::Value;

/// Gives every value a slot, and returns the slots' elements per row. `result` is not overwritten before the end of the forward
/// pass.
pub(super) fn assign(values: &mut [PlanValue], forward: &[Step], backward: &[Step], result: Option<Value>) -> Vec<usize> {
    let steps: Vec<&Step> = forward.iter().chain(backward).collect();
    let mut last: HashMap<Value, usize> = HashMap::new();
    for (at, step) in steps.iter().enumerate() {
        for value in step.outputs().chain(step.inputs()) {
            last.insert(value, at);
        }
    }
    if let Some(result) = result {
        let end = forward.len().saturating_sub(1);
        last.entry(result).and_modify(|at| *at = (*at).max(end));
    }
    let mut slots = Slots::default();
    for (at, step) in steps.iter().enumerate() {
        let over = |value: &Value| last[value] == at;
        let taken = step.takes_over().filter(over);
        for (number, out) in step.outputs().enumerate() {
            let width = values[out.index()].width;
            values[out.index()].slot = match taken {
                // The second output of a step, its statistics, never takes over a buffer.
                Some(x) if number == 0 => values[x.index()].slot,
                _ => slots.take(width),
            };
        }
        for value in step.inputs().into_iter().chain(step.outputs()).filter(over) {
            // A value that a step reads twice is given back once.
            if Some(value) != taken {
                slots.give_back(values[value.index()].slot);
            }
        }
    }
    slots.widths
}

#[derive(Default)]
struct Slots {
    widths: Vec<usize>,
    free: Vec<usize>,
}

impl Slots {
    /// The narrowest free slot that is wide enough, unless more than half of it would be left over; or else a new one.
    fn take(&mut self, width: usize) -> usize {
        let fits = |slot: &usize| (width..=2 * width).contains(&self.widths[*slot]);
        let slot = self.free.iter().copied().filter(fits).min_by_key(|&slot| self.widths[slot]);
        let slot = slot.unwrap_or_else(|| {
            self.widths.push(width);
            self.widths.len() - 1
        });
        self.free.retain(|&free| free != slot);
        slot
    }

    fn give_back(&mut self, slot: usize) {
        if !self.free.contains(&slot) {
            self.free.push(slot);
        }
    }
}
