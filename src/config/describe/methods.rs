//! The methods as a person meets them who knows no paper, and the settings of each.

use super::{Choice, Condition, Kind, Limits, Plain, Setting};
use crate::config::MOST_STEPS;

const fn method(value: &'static str, label: &'static str, help: &'static str, source: &'static str) -> Choice {
    Choice { value, label, help, source }
}

const AUTOMATIC: Choice = method(
    "auto",
    "Automatic",
    "Tries a few methods for a short time on a part of your rows, and takes the best. Costs up to twice the time.",
    "",
);
const TUNING: Choice = method(
    "prompt",
    "Prompt tuning",
    "Learns some tokens that stand in front of every text. Simple, and a good start.",
    "Lester et al. 2021",
);
const LATER: Choice = method(
    "late",
    "Late prompt",
    "The tokens join halfway up the encoder and are made for each text. Faster: the lower half is computed only once.",
    "Liu et al. 2022, LPT",
);
const GROWING: Choice = method(
    "progressive",
    "Growing encoder",
    "Learns on a small part of the encoder first, which grows to the whole. Less computing for nearly the same result.",
    "Huang et al. 2022, FPT",
);
const SHORT: Choice = method(
    "efficient",
    "Short prompt",
    "Few tokens, and small learned changes to the words of the text. Less time per text than a long prompt.",
    "EPT on DePT, 2024",
);
const DEEP: Choice = method(
    "deep",
    "Prompt in every layer",
    "Each layer of the encoder gets learned tokens of its own. More room to learn, for hard tasks with many rows.",
    "Liu et al. 2022, P-tuning v2",
);
const SEVERAL: Choice = method(
    "ensemble",
    "Several prompts",
    "Several prompts learn side by side and decide together. Steadier, and several times the computing.",
    "Lester et al. 2021, section 6",
);
const PROBE: Choice = method(
    "probe",
    "Linear probe",
    "No prompt: only the last layer learns, on the frozen encoder. Done in no time; what the others must beat.",
    "",
);

/// The choices of `prompt.method`.
pub(super) const METHODS: &[Choice] = &[AUTOMATIC, TUNING, LATER, GROWING, SHORT, DEEP, SEVERAL, PROBE];

type When = &'static [&'static [Condition]];

const fn method_is(methods: &'static [Plain]) -> Condition {
    Condition::is("prompt.method", methods)
}

const fn base_is(methods: &'static [Plain]) -> Condition {
    Condition::is("prompt.progressive.base", methods)
}

const GROWS: Condition = method_is(&[Plain::Word("progressive")]);
const IS_LATE: Condition = method_is(&[Plain::Word("late")]);
const MAKES: Condition = Condition::is_not("prompt.late.generator", &[Plain::Word("none")]);
const FREE: Condition = Condition::is("prompt.late.generator", &[Plain::Word("none")]);
const PRUNES: Condition = Condition::is_not("prompt.prune", &[Plain::Nothing]);
/// With rows of their own that can be pruned.
const WITH_ROWS: &[Plain] = &[Plain::Word("prompt"), Plain::Word("efficient"), Plain::Word("ensemble")];

pub(super) const NOT_PROBE: When = &[&[Condition::is_not("prompt.method", &[Plain::Word("probe")])]];
/// Where `optim.prompt_lr` is used: a generator has a learning rate of its own.
pub(super) const TRAINED_RATE: When =
    &[&[Condition::is_not("prompt.method", &[Plain::Word("probe"), Plain::Word("late")])], &[IS_LATE, FREE]];
pub(super) const PRUNABLE: When = &[&[method_is(WITH_ROWS)], &[GROWS, base_is(WITH_ROWS)], &[IS_LATE, FREE]];
pub(super) const PRUNED: When =
    &[&[method_is(WITH_ROWS), PRUNES], &[GROWS, base_is(WITH_ROWS), PRUNES], &[IS_LATE, FREE, PRUNES]];

const RATE: Kind = Kind::Decimal { limits: Limits::POSITIVE };

const fn whole(minimum: u32, maximum: u64) -> Kind {
    Kind::Integer { limits: Limits::from(minimum).to(maximum) }
}

const TRIED: When = &[&[method_is(&[Plain::Word("auto")])]];

pub(super) const AUTO: &[Setting] = &[
    Setting::new(
        "prompt.auto.candidates",
        "Methods to try",
        "The one with the lowest loss on held-out rows is taken.",
        Kind::List { choices: &[PROBE, TUNING, LATER, GROWING, SHORT, DEEP, SEVERAL] },
    )
    .when(TRIED),
    Setting::new(
        "prompt.auto.share",
        "Trials together",
        "Steps on top of those of the run that follows.",
        Kind::Percent { limits: Limits::SHARE },
    )
    .unit("of its steps")
    .when(TRIED),
    Setting::new("prompt.auto.rows", "Rows of a trial", "To learn from, at most.", whole(1, 1_000_000_000)).when(TRIED),
];

const LATE_ONLY: When = &[&[IS_LATE]];
const GENERATED: When = &[&[IS_LATE, MAKES]];

pub(super) const LATE: &[Setting] = &[
    Setting::new(
        "prompt.late.layer",
        "Layers below the prompt",
        "More is faster, fewer lets the prompt do more.",
        whole(0, 1000),
    )
    .or_absent("half of them")
    .when(LATE_ONLY),
    Setting::new(
        "prompt.late.generator",
        "Made from",
        "What the tokens are computed from.",
        Kind::Choice {
            choices: &[
                Choice::new("naive", "one row of the text"),
                Choice::new("average", "parts of the text, averaged"),
                Choice::new("max", "parts of the text, their largest values"),
                Choice::new("none", "nothing: the same for every text"),
            ],
        },
    )
    .when(LATE_ONLY),
    Setting::new(
        "prompt.late.reads",
        "The row",
        "What stands for the text where the tokens are made from one row of it.",
        Kind::Choice { choices: &[Choice::new("first", "its first"), Choice::new("mean", "the mean of all")] },
    )
    .when(&[&[IS_LATE, Condition::is("prompt.late.generator", &[Plain::Word("naive")])]]),
    Setting::new(
        "prompt.late.bottleneck",
        "Width of the generator",
        "Wider learns more, and the adapter gets larger.",
        whole(1, 4096),
    )
    .unit("neurons")
    .when(GENERATED),
    Setting::new("prompt.late.generator_lr", "Learning rate of the generator", "Smaller if the loss jumps.", RATE)
        .when(GENERATED),
    Setting::new(
        "prompt.late.cache_mb",
        "Memory for the lower half",
        "So that it is computed only once; 0: every time again.",
        whole(0, 1 << 20),
    )
    .unit("MiB")
    .when(LATE_ONLY),
];

const GROWS_ONLY: When = &[&[GROWS]];
const SHARE_OF_STEPS: Limits = Limits::POSITIVE.below(1);

pub(super) const PROGRESSIVE: &[Setting] = &[
    Setting::new(
        "prompt.progressive.base",
        "What is trained",
        "The method that learns while the encoder grows.",
        Kind::Choice { choices: &[TUNING, SHORT, DEEP, SEVERAL] },
    )
    .when(GROWS_ONLY),
    Setting::new(
        "prompt.progressive.shrink",
        "What is left out",
        "In the stages before the whole encoder.",
        Kind::Choice {
            choices: &[
                Choice::new("compound", "layers and neurons"),
                Choice::new("depth", "layers"),
                Choice::new("width", "neurons"),
            ],
        },
    )
    .when(GROWS_ONLY),
    Setting::new(
        "prompt.progressive.stages",
        "Stages",
        "In order; the whole encoder has the steps that are left.",
        Kind::Stages { share: SHARE_OF_STEPS, size: Limits::POSITIVE.to(1) },
    )
    .when(GROWS_ONLY),
    Setting::new(
        "prompt.progressive.head",
        "Classifier, when it grows",
        "What was fitted to a smaller encoder is not right for the larger one.",
        Kind::Choice {
            choices: &[
                Choice::new("carry", "goes on"),
                Choice::new("refit", "is trained alone for some steps"),
                Choice::new("reset", "starts again"),
            ],
        },
    )
    .when(GROWS_ONLY),
    Setting::new("prompt.progressive.refit_steps", "Steps alone", "Of the stage's steps.", whole(0, MOST_STEPS))
        .when(&[&[GROWS, Condition::is("prompt.progressive.head", &[Plain::Word("refit")])]]),
    Setting::new(
        "prompt.progressive.score_texts",
        "Texts to judge neurons by",
        "Neurons that say least are left out.",
        whole(1, 1_000_000_000),
    )
    .when(&[&[GROWS, Condition::is_not("prompt.progressive.shrink", &[Plain::Word("depth")])]]),
];

const IS_SHORT: Condition = method_is(&[Plain::Word("efficient")]);
const GROWS_SHORT: Condition = base_is(&[Plain::Word("efficient")]);
const UPDATES: Condition = Condition::is("prompt.efficient.update", &[Plain::Switch(true)]);
const FUSES: Condition = Condition::is("prompt.efficient.fusion", &[Plain::Switch(true)]);
const HAS_SPACES: Condition = Condition::is_not("prompt.efficient.spaces", &[Plain::Number(0)]);

const SHORT_ONLY: When = &[&[IS_SHORT], &[GROWS, GROWS_SHORT]];
const UPDATED: When = &[&[IS_SHORT, UPDATES], &[GROWS, GROWS_SHORT, UPDATES]];
const FUSED: When = &[&[IS_SHORT, FUSES], &[GROWS, GROWS_SHORT, FUSES]];
const SPACED: When = &[&[IS_SHORT, HAS_SPACES], &[GROWS, GROWS_SHORT, HAS_SPACES]];
const FUSED_OR_SPACED: When =
    &[&[IS_SHORT, FUSES], &[IS_SHORT, HAS_SPACES], &[GROWS, GROWS_SHORT, FUSES], &[GROWS, GROWS_SHORT, HAS_SPACES]];

pub(super) const EFFICIENT: &[Setting] = &[
    Setting::new(
        "prompt.efficient.update",
        "Change the words",
        "Each position of the text gets a small learned change.",
        Kind::Switch,
    )
    .when(SHORT_ONLY),
    Setting::new("prompt.efficient.rank", "Rank of the change", "Higher can say more.", whole(1, 1024)).when(UPDATED),
    Setting::new("prompt.efficient.scale", "Strength of the change", "The change of the words is multiplied by it.", RATE)
        .when(UPDATED),
    Setting::new("prompt.efficient.low_rank_lr", "Learning rate of the change", "Smaller if the loss jumps.", RATE).when(UPDATED),
    Setting::new("prompt.efficient.fusion", "Tell the prompt of it", "The prompt sees the change of the words.", Kind::Switch)
        .when(SHORT_ONLY),
    Setting::new(
        "prompt.efficient.attention",
        "Width of the telling",
        "Of the attention between the prompt and the change of the words.",
        whole(1, 1024),
    )
    .when(FUSED),
    Setting::new("prompt.efficient.spaces", "Spaces", "So many views of the prompt, added up; 0: none.", whole(0, 64))
        .when(SHORT_ONLY),
    Setting::new("prompt.efficient.space_width", "Width of a space", "Narrow ones are small.", whole(1, 1024)).when(SPACED),
    Setting::new("prompt.efficient.gate", "Weigh the spaces", "Off: each counts the same.", Kind::Switch).when(SPACED),
    Setting::new(
        "prompt.efficient.module_lr",
        "Learning rate of the extras",
        "Of the telling and of the spaces with their weights.",
        RATE,
    )
    .when(FUSED_OR_SPACED),
];

const SEVERAL_ONLY: When = &[&[method_is(&[Plain::Word("ensemble")])], &[GROWS, base_is(&[Plain::Word("ensemble")])]];

pub(super) const ENSEMBLE: &[Setting] = &[
    Setting::new(
        "prompt.ensemble.members",
        "Prompts",
        "Time and memory grow with them.",
        Kind::Integer { limits: Limits::from(2).to(100) },
    )
    .when(SEVERAL_ONLY),
    Setting::new(
        "prompt.ensemble.vote",
        "They decide by",
        "How one answer is made of theirs.",
        Kind::Choice { choices: &[Choice::new("mean", "their mean"), Choice::new("majority", "a vote")] },
    )
    .when(SEVERAL_ONLY),
];
