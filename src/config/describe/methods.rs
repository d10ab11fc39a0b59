//! The methods, named as in their papers, and the settings of each.

use super::{Choice, Condition, ConditionValue, Limits, Setting, SettingKind};
use crate::config::MOST_STEPS;

const fn method(value: &'static str, label: &'static str, help: &'static str, source: &'static str) -> Choice {
    Choice { value, label, help, source }
}

const AUTOMATIC: Choice = method(
    "auto",
    "Automatic",
    "Runs short trials of several methods on a subset of the rows, then trains the best one. Takes up to twice the time.",
    "",
);
const TUNING: Choice = method(
    "prompt",
    "Prompt tuning",
    "Trains virtual tokens that are prepended to every text. Simple, and a good first choice.",
    "Lester et al. 2021",
);
const LATER: Choice = method(
    "late",
    "Late prompt tuning (LPT)",
    "A generator computes a prompt for each text, which is inserted in the middle of the encoder. Faster: the lower layers are computed only once.",
    "Liu et al. 2022",
);
const GROWING: Choice = method(
    "progressive",
    "Progressive prompt tuning (FPT)",
    "Trains on a small partial encoder first, then on larger ones up to the full encoder. Less compute for nearly the same accuracy.",
    "Huang et al. 2022",
);
const SHORT: Choice = method(
    "efficient",
    "Efficient prompt tuning (EPT)",
    "A short prompt and a low-rank update of the text’s embeddings, combined by fusion and projection. Faster per text than a long prompt.",
    "Lan et al. 2024, on DePT",
);
const DEEP: Choice = method(
    "deep",
    "P-tuning v2 (prefix)",
    "Trains prefix keys and values in every layer of the encoder. More trainable parameters, for hard tasks with many rows.",
    "Liu et al. 2022",
);
const SEVERAL: Choice = method(
    "ensemble",
    "Prompt ensemble",
    "Trains several prompts at once, which vote. More stable, at several times the compute.",
    "Lester et al. 2021, section 6",
);
const PROBE: Choice = method(
    "probe",
    "Linear probe",
    "No prompt: trains only the classification head on the frozen encoder. Very fast, and the baseline for the other methods.",
    "",
);

/// The choices of `prompt.method`.
pub(super) const METHODS: &[Choice] = &[AUTOMATIC, TUNING, LATER, GROWING, SHORT, DEEP, SEVERAL, PROBE];

type When = &'static [&'static [Condition]];

const fn method_is(methods: &'static [ConditionValue]) -> Condition {
    Condition::is("prompt.method", methods)
}

const fn base_is(methods: &'static [ConditionValue]) -> Condition {
    Condition::is("prompt.progressive.base", methods)
}

const GROWS: Condition = method_is(&[ConditionValue::Word("progressive")]);
const IS_LATE: Condition = method_is(&[ConditionValue::Word("late")]);
const MAKES: Condition = Condition::is_not("prompt.late.generator", &[ConditionValue::Word("none")]);
const FREE: Condition = Condition::is("prompt.late.generator", &[ConditionValue::Word("none")]);
const PRUNES: Condition = Condition::is_not("prompt.prune", &[ConditionValue::Nothing]);
/// Methods with prompt rows that can be pruned.
const WITH_ROWS: &[ConditionValue] =
    &[ConditionValue::Word("prompt"), ConditionValue::Word("efficient"), ConditionValue::Word("ensemble")];

pub(super) const NOT_PROBE: When = &[&[Condition::is_not("prompt.method", &[ConditionValue::Word("probe")])]];
/// Where `optim.prompt_lr` is used: a generator has its own learning rate.
pub(super) const TRAINED_RATE: When =
    &[&[Condition::is_not("prompt.method", &[ConditionValue::Word("probe"), ConditionValue::Word("late")])], &[IS_LATE, FREE]];
pub(super) const PRUNABLE: When = &[&[method_is(WITH_ROWS)], &[GROWS, base_is(WITH_ROWS)], &[IS_LATE, FREE]];
pub(super) const PRUNED: When =
    &[&[method_is(WITH_ROWS), PRUNES], &[GROWS, base_is(WITH_ROWS), PRUNES], &[IS_LATE, FREE, PRUNES]];

const RATE: SettingKind = SettingKind::Decimal { limits: Limits::POSITIVE };

const fn whole(minimum: u32, maximum: u64) -> SettingKind {
    SettingKind::Integer { limits: Limits::from(minimum).to(maximum) }
}

const TRIED: When = &[&[method_is(&[ConditionValue::Word("auto")])]];

pub(super) const AUTO: &[Setting] = &[
    Setting::new(
        "prompt.auto.candidates",
        "Candidate methods",
        "The method with the lowest held-out loss is chosen.",
        SettingKind::List { choices: &[PROBE, TUNING, LATER, GROWING, SHORT, DEEP, SEVERAL] },
    )
    .also(&["hyperparameter_search", "model selection"])
    .when(TRIED),
    Setting::new(
        "prompt.auto.share",
        "Trial budget",
        "For all trials in total, in addition to the steps of the final run.",
        SettingKind::Percent { limits: Limits::SHARE },
    )
    .also(&["search budget"])
    .unit("of the steps")
    .when(TRIED),
    Setting::new(
        "prompt.auto.rows",
        "Training rows per trial",
        "At most this many, drawn at random and stratified by class.",
        whole(1, 1_000_000_000),
    )
    .also(&["subset size"])
    .when(TRIED),
];

const LATE_ONLY: When = &[&[IS_LATE]];
const GENERATED: When = &[&[IS_LATE, MAKES]];

pub(super) const LATE: &[Setting] = &[
    Setting::new(
        "prompt.late.layer",
        "Prompt insertion layer",
        "Encoder layers below the prompt. More layers are faster; fewer give the prompt more influence.",
        whole(0, 1000),
    )
    .also(&["add_prompt_layer", "prompt layer"])
    .or_absent("half of the layers")
    .when(LATE_ONLY),
    Setting::new(
        "prompt.late.generator",
        "Prompt generator",
        "How the prompt is computed from the text.",
        SettingKind::Choice {
            choices: &[
                Choice::new("naive", "one vector of the text (NPG)"),
                Choice::new("average", "average pooling over parts of the text (APPG)"),
                Choice::new("max", "max pooling over parts of the text (MPPG)"),
                Choice::new("none", "none: the same prompt for every text"),
            ],
        },
    )
    .also(&["generator_type", "encoder_reparameterization_type", "prompt encoder"])
    .when(LATE_ONLY),
    Setting::new(
        "prompt.late.reads",
        "Generator input",
        "The vector of the text that the generator reads.",
        SettingKind::Choice {
            choices: &[Choice::new("first", "[CLS] token"), Choice::new("mean", "mean of the text’s tokens")]
        },
    )
    .also(&["generator pooling"])
    .when(&[&[IS_LATE, Condition::is("prompt.late.generator", &[ConditionValue::Word("naive")])]]),
    Setting::new(
        "prompt.late.bottleneck",
        "Generator bottleneck size",
        "A larger size has more trainable parameters and makes a larger adapter.",
        whole(1, 4096),
    )
    .also(&["encoder_hidden_size", "proj_down_size"])
    .unit("neurons")
    .when(GENERATED),
    Setting::new("prompt.late.generator_lr", "Generator learning rate", "Lower it if the loss is unstable.", RATE)
        .also(&["prompt encoder learning rate"])
        .when(GENERATED),
    Setting::new(
        "prompt.late.cache_mb",
        "Hidden-state cache",
        "Caches the output of the layers below the prompt between epochs. 0 turns the cache off.",
        whole(0, 1 << 20),
    )
    .also(&["feature cache"])
    .unit("MiB")
    .when(LATE_ONLY),
];

const GROWS_ONLY: When = &[&[GROWS]];
const SHARE_OF_STEPS: Limits = Limits::POSITIVE.below(1);

pub(super) const PROGRESSIVE: &[Setting] = &[
    Setting::new(
        "prompt.progressive.base",
        "Base method",
        "The method that is trained progressively.",
        SettingKind::Choice { choices: &[TUNING, SHORT, DEEP, SEVERAL] },
    )
    .when(GROWS_ONLY),
    Setting::new(
        "prompt.progressive.shrink",
        "Partial encoder",
        "How the encoder is reduced in the stages before the full one.",
        SettingKind::Choice {
            choices: &[
                Choice::new("compound", "fewer layers and feed-forward neurons (compound reduction)"),
                Choice::new("depth", "fewer layers (layer dropping)"),
                Choice::new("width", "fewer feed-forward neurons (FFN reduction)"),
            ],
        },
    )
    .also(&["layer dropping", "FFN reduction"])
    .when(GROWS_ONLY),
    Setting::new(
        "prompt.progressive.stages",
        "Stages",
        "In order. The remaining steps are on the full encoder.",
        SettingKind::Stages { share: SHARE_OF_STEPS, size: Limits::POSITIVE.to(1) },
    )
    .also(&["training stages", "progressive shrinking"])
    .when(GROWS_ONLY),
    Setting::new(
        "prompt.progressive.head",
        "Head between stages",
        "What happens to the classification head when the encoder grows: one fitted to a smaller encoder does not fit a larger one.",
        SettingKind::Choice {
            choices: &[
                Choice::new("carry", "keep it"),
                Choice::new("refit", "train it alone for some steps"),
                Choice::new("reset", "reinitialise it"),
            ],
        },
    )
    .also(&["head initialization"])
    .when(GROWS_ONLY),
    Setting::new("prompt.progressive.refit_steps", "Head-only steps", "At the start of a stage, taken from its steps.", whole(0, MOST_STEPS))
        .also(&["linear probing"])
        .when(&[&[GROWS, Condition::is("prompt.progressive.head", &[ConditionValue::Word("refit")])]]),
    Setting::new(
        "prompt.progressive.score_texts",
        "Texts for neuron importance",
        "Neurons are scored on at most this many training texts, and the least important ones are left out.",
        whole(1, 1_000_000_000),
    )
    .also(&["importance samples"])
    .when(&[&[GROWS, Condition::is_not("prompt.progressive.shrink", &[ConditionValue::Word("depth")])]]),
];

const IS_SHORT: Condition = method_is(&[ConditionValue::Word("efficient")]);
const GROWS_SHORT: Condition = base_is(&[ConditionValue::Word("efficient")]);
const UPDATES: Condition = Condition::is("prompt.efficient.update", &[ConditionValue::Switch(true)]);
const FUSES: Condition = Condition::is("prompt.efficient.fusion", &[ConditionValue::Switch(true)]);
const HAS_SPACES: Condition = Condition::is_not("prompt.efficient.spaces", &[ConditionValue::Number(0)]);

const SHORT_ONLY: When = &[&[IS_SHORT], &[GROWS, GROWS_SHORT]];
const UPDATED: When = &[&[IS_SHORT, UPDATES], &[GROWS, GROWS_SHORT, UPDATES]];
const FUSED: When = &[&[IS_SHORT, FUSES], &[GROWS, GROWS_SHORT, FUSES]];
const SPACED: When = &[&[IS_SHORT, HAS_SPACES], &[GROWS, GROWS_SHORT, HAS_SPACES]];
const FUSED_OR_SPACED: When =
    &[&[IS_SHORT, FUSES], &[IS_SHORT, HAS_SPACES], &[GROWS, GROWS_SHORT, FUSES], &[GROWS, GROWS_SHORT, HAS_SPACES]];

pub(super) const EFFICIENT: &[Setting] = &[
    Setting::new(
        "prompt.efficient.update",
        "Low-rank embedding update",
        "Adds a trained low-rank matrix to the embeddings of the text, position by position (DePT).",
        SettingKind::Switch,
    )
    .also(&["low-rank decomposition"])
    .when(SHORT_ONLY),
    Setting::new("prompt.efficient.rank", "Update rank", "A higher rank has more trainable parameters.", whole(1, 1024))
        .also(&["lora_rank"])
        .when(UPDATED),
    Setting::new(
        "prompt.efficient.scale",
        "Update scale (alpha)",
        "The update is multiplied by this over the square root of the rank.",
        RATE,
    )
    .also(&["lora_alpha"])
    .when(UPDATED),
    Setting::new("prompt.efficient.low_rank_lr", "Update learning rate", "Lower it if the loss is unstable.", RATE)
        .also(&["lora_embedding_lr"])
        .when(UPDATED),
    Setting::new(
        "prompt.efficient.fusion",
        "Prompt fusion",
        "The prompt attends to the low-rank update (EPT).",
        SettingKind::Switch,
    )
    .also(&["cross-attention"])
    .when(SHORT_ONLY),
    Setting::new(
        "prompt.efficient.attention",
        "Fusion attention size",
        "Dimension of the queries and keys of the prompt fusion.",
        whole(1, 1024),
    )
    .also(&["attention dimension"])
    .when(FUSED),
    Setting::new(
        "prompt.efficient.spaces",
        "Projection spaces",
        "The prompt is projected into this many spaces and the results are added (EPT). 0 turns this off.",
        whole(0, 64),
    )
    .also(&["multi-space projection"])
    .when(SHORT_ONLY),
    Setting::new("prompt.efficient.space_width", "Projection size", "Dimension of each projection space.", whole(1, 1024))
        .also(&["projection dimension"])
        .when(SPACED),
    Setting::new(
        "prompt.efficient.gate",
        "Gating of the spaces",
        "A trained gate weights the projection spaces; without it the weights are equal.",
        SettingKind::Switch,
    )
    .also(&["gating network", "mixture of experts"])
    .when(SPACED),
    Setting::new(
        "prompt.efficient.module_lr",
        "Fusion and projection learning rate",
        "Of the prompt fusion, the projection spaces and their gate.",
        RATE,
    )
    .also(&["module learning rate"])
    .when(FUSED_OR_SPACED),
];

const SEVERAL_ONLY: When =
    &[&[method_is(&[ConditionValue::Word("ensemble")])], &[GROWS, base_is(&[ConditionValue::Word("ensemble")])]];

pub(super) const ENSEMBLE: &[Setting] = &[
    Setting::new(
        "prompt.ensemble.members",
        "Ensemble size",
        "Number of prompts. Time and memory grow in proportion.",
        SettingKind::Integer { limits: Limits::from(2).to(100) },
    )
    .also(&["n_estimators", "ensemble members"])
    .when(SEVERAL_ONLY),
    Setting::new(
        "prompt.ensemble.vote",
        "Voting",
        "How the predictions of the prompts are combined.",
        SettingKind::Choice {
            choices: &[
                Choice::new("mean", "mean of the probabilities (soft voting)"),
                Choice::new("majority", "majority vote (hard voting)"),
            ],
        },
    )
    .also(&["aggregation"])
    .when(SEVERAL_ONLY),
];
