//! The words with which a file assigns rows to a part of the data: train, test or dev.

/// Words of a split column. Lower case.
const TRAIN: &[&str] = &["train", "training", "trn", "train_set", "trainset", "training set"];
const TEST: &[&str] = &[
    "test", "testing", "tst", "test_set", "testset", "test set", "held_out", "held-out", "held out", "heldout", "holdout",
    "hold-out",
];
const DEV: &[&str] = &["dev", "develop", "development", "val", "valid", "validation", "eval", "evaluation", "dev_set", "devset"];
/// Names of columns that assign rows to a part with yes or no.
const FLAGS: &[(&str, Part)] = &[
    ("is_test", Part::Test),
    ("is_held_out", Part::Test),
    ("is_valid", Part::Dev),
    ("is_validation", Part::Dev),
    ("is_val", Part::Dev),
    ("is_dev", Part::Dev),
    ("is_train", Part::Train),
    ("is_training", Part::Train),
];

/// A part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Train,
    Test,
    Dev,
}

impl Part {
    /// The part that a word names, ignoring case.
    pub(super) fn named(word: &str) -> Option<Self> {
        let word = word.trim().to_lowercase();
        match word.as_str() {
            word if TRAIN.contains(&word) => Some(Self::Train),
            word if TEST.contains(&word) => Some(Self::Test),
            word if DEV.contains(&word) => Some(Self::Dev),
            _ => None,
        }
    }
}

/// Whether all of these cells are names of parts.
pub(super) fn are_parts(cells: &[&str]) -> bool {
    !cells.is_empty() && cells.iter().all(|cell| Part::named(cell).is_some())
}

/// The part that a yes/no column stands for, by its name.
pub(super) fn flag(name: &str) -> Option<Part> {
    let name = name.trim().to_lowercase().replace([' ', '-'], "_");
    FLAGS.iter().find(|(flag, _)| *flag == name).map(|(_, part)| *part)
}

/// The part that a cell names, in a column of words or in a yes/no column for `flag`.
pub(super) fn part(cell: &str, flag: Option<Part>) -> Option<Part> {
    let Some(flag) = flag else { return Part::named(cell) };
    let other = if flag == Part::Train { Part::Test } else { Part::Train };
    match cell.trim().to_lowercase().as_str() {
        "1" | "1.0" | "true" | "yes" => Some(flag),
        "0" | "0.0" | "false" | "no" => Some(other),
        _ => Part::named(cell),
    }
}
