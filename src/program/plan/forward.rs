//! The forward steps, and which rows of every value depend on trained input.

use std::collections::HashMap;

use super::{Draft, Epilogue, Purpose, Rows, Step};
use crate::program::Entry;
use crate::program::{Operation, Program, Value};

impl Draft {
    pub(super) fn forward(program: &Program, purpose: &Purpose) -> Self {
        let mut draft =
            Self { values: Vec::new(), forward: Vec::new(), backward: Vec::new(), hidden: Vec::new(), trained: HashMap::new() };
        let mut of = HashMap::new();
        let first = purpose.first();
        let embedded = match purpose.entry {
            Entry::Words => program.embed.out,
            Entry::After(_) => program.hidden[first],
        };
        let out = draft.value(program.values[embedded.index()].name.clone(), program.width(embedded), Rows::All);
        draft.forward.push(if purpose.entry == Entry::Words { Step::Embed { out } } else { Step::Insert { out } });
        if let Some(rows) = entry_rows(program, purpose, embedded) {
            draft.trained.insert(out, rows);
        }
        of.insert(embedded, out);
        let position = |value: Value| program.operations.iter().position(|operation| operation.out() == value);
        let begin = if purpose.entry == Entry::Words { 0 } else { position(embedded).map_or(0, |index| index + 1) };
        let end = position(program.hidden[purpose.end]).map_or(0, |index| index + 1).max(begin);
        draft.reached(program, purpose, embedded, out);
        let mut layer = first;
        for operation in &program.operations[begin..end] {
            draft.operation(program, purpose, operation, layer, &mut of);
            if program.hidden.get(layer + 1) == Some(&operation.out()) {
                layer += 1;
            }
            draft.reached(program, purpose, operation.out(), of[&operation.out()]);
        }
        draft
    }

    /// Pools a value that is the output of a layer with a tap.
    fn reached(&mut self, program: &Program, purpose: &Purpose, value: Value, x: Value) {
        let Some(layers) = program.hidden.iter().position(|hidden| *hidden == value) else { return };
        self.hidden.push(x);
        for (tap, _) in purpose.taps.iter().enumerate().filter(|(_, tap)| tap.layers == layers) {
            self.forward.push(Step::Pool { x, tap });
        }
    }

    fn operation(
        &mut self,
        program: &Program,
        purpose: &Purpose,
        operation: &Operation,
        layer: usize,
        of: &mut HashMap<Value, Value>,
    ) {
        let result = operation.out();
        let name = program.values[result.index()].name.clone();
        let mut trained = operation.inputs().filter_map(|x| self.trained.get(&of[&x]).copied()).max();
        let out = self.value(name.clone(), program.width(result), Rows::All);
        let step = match *operation {
            Operation::Linear { x, weight, bias, .. } => Step::Linear { x: of[&x], weight, bias, epilogue: Epilogue::Plain, out },
            Operation::Norm { x, norm, .. } => {
                let stats = self.value(format!("{name}.stats"), 2, Rows::All);
                Step::Norm { x: of[&x], norm, out, stats }
            }
            Operation::Activation { function, x, .. } => Step::Activation { function, x: of[&x], out },
            Operation::Gate { function, x, .. } => Step::Gate { function, x: of[&x], out },
            Operation::Rotate { x, heads, head_size, theta, .. } => {
                Step::Rotate { x: of[&x], heads, head_size, theta, back: false, out }
            }
            Operation::Attention { x, attention, .. } => {
                let mut x = of[&x];
                if purpose.prefix {
                    // The keys of a prefix are used as they are: after the positions of the rows have been applied.
                    let prefixed = self.value(format!("{}+prefix", self.name(x)), self.width(x), Rows::All);
                    self.forward.push(Step::Prefix { layer, x, out: prefixed });
                    trained = trained.max(Some(Rows::Prompt));
                    self.trained.extend(trained.map(|rows| (prefixed, rows)));
                    x = prefixed;
                }
                // Every row attends to every row of its example.
                trained = trained.map(|_| Rows::All);
                let lse = self.value(format!("{name}.lse"), attention.heads, Rows::All);
                Step::Attention { x, attention, out, lse }
            }
            Operation::Add { x, y, .. } => Step::Add { x: of[&x], y: of[&y], out },
        };
        self.forward.push(step);
        if purpose.scores && matches!(step, Step::Activation { .. } | Step::Gate { .. }) {
            self.forward.push(Step::NeuronScores { layer, x: out });
        }
        self.trained.extend(trained.map(|rows| (out, rows)));
        of.insert(result, out);
    }
}

/// The rows of the first value whose gradient is computed. Only prompt rows are trained, unless there is an update; but the
/// gradient of all rows is computed where something other than the first product stands between them and the attention, because
/// only a product's gradient exists for prompt rows alone.
fn entry_rows(program: &Program, purpose: &Purpose, first: Value) -> Option<Rows> {
    let direct = |operation: &Operation| match *operation {
        Operation::Linear { out, .. } => program.operations.iter().all(|next| {
            !next.inputs().any(|x| x == out) || matches!(next, Operation::Attention { .. } | Operation::Rotate { .. })
        }),
        Operation::Add { .. } => true,
        _ => false,
    };
    let only_products = program.operations.iter().filter(|operation| operation.inputs().any(|x| x == first)).all(direct);
    let tapped = purpose.taps.iter().any(|tap| program.hidden[tap.layers] == first);
    match (purpose.update, purpose.prompt) {
        (true, _) => Some(Rows::All),
        (false, true) if only_products && !tapped => Some(Rows::Prompt),
        (false, true) => Some(Rows::All),
        (false, false) => None,
    }
}
