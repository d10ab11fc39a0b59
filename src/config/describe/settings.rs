//! The settings that every method has, and the list of all.

use super::methods::{AUTO, EFFICIENT, ENSEMBLE, LATE, METHODS, NOT_PROBE, PROGRESSIVE, PRUNABLE, PRUNED, TRAINED_RATE};
use super::{Choice, Condition, Group, Kind, Limits, Plain, Setting};

/// The largest whole number below which JavaScript keeps every one exactly.
const EXACT: u64 = (1 << 53) - 1;

const fn whole(minimum: u32) -> Kind {
    Kind::Integer { limits: Limits::from(minimum) }
}

const RATE: Kind = Kind::Decimal { limits: Limits::POSITIVE };

pub(super) const GROUPS: &[Group] = &[
    Group {
        title: "Method",
        options: &[Setting::new(
            "prompt.method",
            "Method",
            "How the prompt is made and trained.",
            Kind::Choice { choices: METHODS },
        )],
    },
    Group { title: "Trials", options: AUTO },
    Group { title: "Late prompt", options: LATE },
    Group { title: "Growing encoder", options: PROGRESSIVE },
    Group { title: "Short prompt", options: EFFICIENT },
    Group { title: "Several prompts", options: ENSEMBLE },
    Group { title: "Prompt", options: PROMPT },
    Group { title: "Classifier", options: HEAD },
    Group { title: "Budget", options: BUDGET },
    Group { title: "Learning rates", options: RATES },
    Group { title: "Machine", options: MACHINE },
    Group { title: "Data", options: DATA },
];

const PROMPT: &[Setting] = &[
    Setting::new(
        "prompt.length",
        "Prompt length",
        "Learned tokens that join every text. More can say more, and cost time.",
        Kind::Integer { limits: Limits::from(1).to(500) },
    )
    .unit("tokens")
    .when(NOT_PROBE),
    Setting::new(
        "prompt.init",
        "Starts from",
        "What the prompt is before it has learned anything.",
        Kind::ChoiceOrText {
            choices: &[
                Choice::new("labels", "the class names"),
                Choice::new("vocabulary", "words of the vocabulary"),
                Choice::new("random", "random numbers"),
                Choice::new("text", "a text of yours"),
            ],
        },
    )
    .when(&[&[Condition::is_not("prompt.method", &[Plain::Word("probe"), Plain::Word("late")])]]),
    Setting::new(
        "prompt.prune",
        "Prune afterwards",
        "What matters least of the trained prompt is left out, and the rest is trained again: a smaller adapter.",
        Kind::Part,
    )
    .or_absent("the whole prompt is kept")
    .when(PRUNABLE),
    Setting::new("prompt.prune.tokens", "Tokens left out", "Those that matter least.", Kind::Percent { limits: Limits::SHARE })
        .unit("of them")
        .when(PRUNED),
    Setting::new("prompt.prune.pieces", "Pieces of a token", "Into which each token that is left is cut.", whole(1)).when(PRUNED),
    Setting::new(
        "prompt.prune.piece_share",
        "Pieces left out",
        "Of the tokens that are left.",
        Kind::Percent { limits: Limits::SHARE },
    )
    .unit("of them")
    .when(PRUNED),
];

const HEAD: &[Setting] = &[
    Setting::new(
        "head.kind",
        "Classifier reads",
        "The mean is best for small encoders; PEFT’s convention makes an adapter that Hugging Face PEFT loads.",
        Kind::Choice {
            choices: &[
                Choice::new("mean", "the mean of all tokens"),
                Choice::new("text", "the mean of the text"),
                Choice::new("cls", "the [CLS] token"),
                Choice::new("peft", "PEFT’s convention"),
            ],
        },
    ),
    Setting::new(
        "head.feature_scale",
        "Strength of what it reads",
        "What the classifier reads is multiplied by this: more lets it learn faster beside the prompt.",
        RATE,
    )
    .when(&[&[Condition::is_not("head.kind", &[Plain::Word("peft")])]]),
];

const BUDGET: &[Setting] = &[
    Setting::new("optim.epochs", "Passes", "Over all rows; also called epochs.", whole(1)),
    Setting::new("optim.steps", "Steps", "Instead of passes, if given.", whole(1)).or_absent("as the passes say"),
    Setting::new("optim.batch_size", "Texts per step", "Also called batch size.", whole(1)),
    Setting::new("eval.evaluations", "Evaluations", "On the held-out rows, evenly spaced over a run.", whole(1)),
    Setting::new("eval.patience", "Stop early after", "So many evaluations without a lower held-out loss.", whole(1))
        .or_absent("never"),
];

const RATES: &[Setting] = &[
    Setting::new("optim.prompt_lr", "Learning rate of the prompt", "Smaller if the loss jumps.", RATE).when(TRAINED_RATE),
    Setting::new("optim.head_lr", "Learning rate of the classifier", "Of the linear layer on top.", RATE),
    Setting::new(
        "optim.schedule",
        "They fall",
        "How the learning rates go down after the warm-up.",
        Kind::Choice {
            choices: &[
                Choice::new("cosine", "along a cosine, to zero"),
                Choice::new("linear", "in a line, to zero"),
                Choice::new("constant", "not at all"),
            ],
        },
    ),
    Setting::new(
        "optim.warmup_fraction",
        "Warm-up",
        "While the learning rates rise from zero, at the start.",
        Kind::Percent { limits: Limits::SHARE },
    )
    .unit("of the steps"),
    Setting::new(
        "optim.weight_decay",
        "Weight decay",
        "Pulls what is learned towards zero: against learning the rows by heart.",
        Kind::Decimal { limits: Limits::from(0) },
    ),
    Setting::new(
        "optim.clip_norm",
        "Largest change",
        "Gradients with a larger norm are scaled down to it: smaller if the loss jumps.",
        RATE,
    ),
];

const MACHINE: &[Setting] = &[
    Setting::new(
        "device",
        "Computes on",
        "The automatic choice measures both for a moment, and takes the faster.",
        Kind::Choice {
            choices: &[Choice::new("auto", "Automatic: the faster one"), Choice::new("gpu", "GPU"), Choice::new("cpu", "CPU")],
        },
    ),
    Setting::new(
        "recompute",
        "Intermediate values",
        "Made again, a step needs less than half of the GPU’s memory and a little more time. The result is the same.",
        Kind::Choice {
            choices: &[
                Choice::new("auto", "made again where they do not fit"),
                Choice::new("off", "kept"),
                Choice::new("on", "made again"),
            ],
        },
    )
    .when(NOT_PROBE),
];

const DATA: &[Setting] = &[
    Setting::new("data.text_column", "Column of the texts", "As it is called, or its number.", Kind::Column).or_absent("guessed"),
    Setting::new("data.label_column", "Column of the labels", "As it is called, or its number.", Kind::Column)
        .or_absent("guessed"),
    Setting::new(
        "data.header_row",
        "Header row",
        "The row of the file with the names of the columns, counted from 1; 0 if no row has them. Rows above it are left out.",
        Kind::Integer { limits: Limits::from(0).to(1 << 20) },
    )
    .or_absent("found by looking"),
    Setting::new("data.sheet", "Sheet", "Of a workbook (.xlsx), by its name.", Kind::Sheet).or_absent("the first with content"),
    Setting::new(
        "data.merge_labels",
        "Merge labels",
        "Labels that look the same, such as Spam and spam or card_lost and card lost, are one class.",
        Kind::Switch,
    ),
    Setting::new(
        "data.split_column",
        "Column of the split",
        "A column with the words train, test, dev or validation, or none: it says which rows are held out.",
        Kind::Column,
    )
    .or_absent("found by looking"),
    Setting::new(
        "data.held_out_fraction",
        "Held out",
        "Never trained on; the accuracy is measured there. Each class gives its share.",
        Kind::Percent { limits: Limits::POSITIVE.below(1) },
    )
    .unit("of the rows"),
    Setting::new("data.max_tokens", "Longest text", "Longer ones are cut, and counted.", whole(3)).unit("tokens"),
    Setting::new(
        "seed",
        "Seed",
        "Every random draw comes from it: the same seed gives the same run.",
        Kind::Integer { limits: Limits::from(0).to(EXACT) },
    ),
];
