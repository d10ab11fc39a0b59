//! The settings common to all methods, and the table of all settings.

use super::methods::{AUTO, EFFICIENT, ENSEMBLE, LATE, METHODS, NOT_PROBE, PROGRESSIVE, PRUNABLE, PRUNED, TRAINED_RATE};
use super::{Choice, Condition, ConditionValue, Group, Limits, Setting, SettingKind};
use crate::config::{LARGEST_SEED, MOST_STEPS};

/// A whole number. Every one has an upper limit, so that no product of settings and rows can overflow.
const fn whole(minimum: u32, maximum: u64) -> SettingKind {
    SettingKind::Integer { limits: Limits::from(minimum).to(maximum) }
}

const RATE: SettingKind = SettingKind::Decimal { limits: Limits::POSITIVE };

pub(super) const GROUPS: &[Group] = &[
    Group {
        title: "Method",
        options: &[Setting::new(
            "prompt.method",
            "Method",
            "How the prompt is built and trained.",
            SettingKind::Choice { choices: METHODS },
        )
        .also(&["peft_type", "prefix tuning", "soft prompt"])],
    },
    Group { title: "Automatic selection", options: AUTO },
    Group { title: "Late prompt tuning (LPT)", options: LATE },
    Group { title: "Progressive prompt tuning (FPT)", options: PROGRESSIVE },
    Group { title: "Efficient prompt tuning (EPT)", options: EFFICIENT },
    Group { title: "Prompt ensemble", options: ENSEMBLE },
    Group { title: "Prompt", options: PROMPT },
    Group { title: "Classification head", options: HEAD },
    Group { title: "Training", options: BUDGET },
    Group { title: "Optimizer", options: RATES },
    Group { title: "Device", options: MACHINE },
    Group { title: "Data", options: DATA },
];

const PROMPT: &[Setting] = &[
    Setting::new(
        "prompt.length",
        "Prompt length (virtual tokens)",
        "Trained tokens that are added to every text. A longer prompt has more trainable parameters and takes more time.",
        SettingKind::Integer { limits: Limits::from(1).to(500) },
    )
    .also(&["num_virtual_tokens", "prefix_length", "pre_seq_len"])
    .unit("tokens")
    .when(NOT_PROBE),
    Setting::new(
        "prompt.init",
        "Prompt initialisation",
        "The values of the prompt before training.",
        SettingKind::ChoiceOrText {
            choices: &[
                Choice::new("labels", "class names"),
                Choice::new("vocabulary", "tokens of the vocabulary"),
                Choice::new("random", "random values"),
                Choice::new("text", "a text"),
            ],
        },
    )
    .also(&["prompt_tuning_init", "prompt_tuning_init_text", "prompt initialization"])
    .when(&[&[Condition::is_not("prompt.method", &[ConditionValue::Word("probe"), ConditionValue::Word("late")])]]),
    Setting::new(
        "prompt.prune",
        "Prompt pruning",
        "After training, prunes the least important parts of the prompt and trains the rest again (XPrompt). The adapter gets smaller.",
        SettingKind::Part,
    )
    .also(&["XPrompt", "sparsity"])
    .or_absent("no pruning")
    .when(PRUNABLE),
    Setting::new("prompt.prune.tokens", "Pruned tokens", "The least important ones.", SettingKind::Percent { limits: Limits::SHARE })
        .also(&["token-level pruning"])
        .unit("of the tokens")
        .when(PRUNED),
    Setting::new("prompt.prune.pieces", "Pieces per token", "Each remaining token is split into this many equal pieces.", whole(1, 4096))
        .when(PRUNED),
    Setting::new(
        "prompt.prune.piece_share",
        "Pruned pieces",
        "The least important pieces of the remaining tokens.",
        SettingKind::Percent { limits: Limits::SHARE },
    )
    .also(&["piece-level pruning"])
    .unit("of the pieces")
    .when(PRUNED),
];

const HEAD: &[Setting] = &[
    Setting::new(
        "head.kind",
        "Pooling",
        "What the classification head reads. The mean is best for small encoders. Hugging Face PEFT can load adapters with PEFT’s convention.",
        SettingKind::Choice {
            choices: &[
                Choice::new("mean", "mean of all tokens"),
                Choice::new("text", "mean of the text’s tokens"),
                Choice::new("cls", "[CLS] token"),
                Choice::new("peft", "PEFT’s convention"),
            ],
        },
    )
    .also(&["pooling_mode", "classifier_pooling"]),
    Setting::new(
        "head.feature_scale",
        "Feature scale",
        "The pooled features are multiplied by this. A higher value trains the classification head faster than the prompt.",
        RATE,
    )
    .also(&["feature scaling"])
    .when(&[&[Condition::is_not("head.kind", &[ConditionValue::Word("peft")])]]),
];

const BUDGET: &[Setting] = &[
    Setting::new("optim.epochs", "Epochs", "Passes over the training set.", whole(1, 1_000_000))
        .also(&["num_train_epochs", "num_epochs"]),
    Setting::new("optim.steps", "Steps", "Optimizer steps. Replaces the number of epochs.", whole(1, MOST_STEPS))
        .also(&["max_steps"])
        .or_absent("set by the epochs"),
    Setting::new("optim.batch_size", "Batch size", "Training texts in one optimizer step.", whole(1, 1 << 16))
        .also(&["per_device_train_batch_size", "train_batch_size"]),
    Setting::new(
        "eval.evaluations",
        "Evaluations",
        "On the held-out set, evenly spaced over the run. The parameters with the lowest held-out loss are used.",
        whole(1, MOST_STEPS),
    )
    .also(&["eval_steps", "eval_strategy", "load_best_model_at_end"]),
    Setting::new(
        "eval.patience",
        "Early stopping patience",
        "Training stops after this many evaluations without a lower held-out loss.",
        whole(1, MOST_STEPS),
    )
    .also(&["early_stopping_patience", "n_iter_no_change"])
    .or_absent("never"),
];

const RATES: &[Setting] = &[
    Setting::new("optim.prompt_lr", "Prompt learning rate", "Lower it if the loss is unstable.", RATE)
        .also(&["learning_rate"])
        .when(TRAINED_RATE),
    Setting::new("optim.head_lr", "Head learning rate", "For the linear layer on the pooled features.", RATE)
        .also(&["head_learning_rate", "classifier learning rate"]),
    Setting::new(
        "optim.schedule",
        "Learning-rate schedule",
        "How the learning rates decay after the warm-up.",
        SettingKind::Choice {
            choices: &[
                Choice::new("cosine", "cosine decay to zero"),
                Choice::new("linear", "linear decay to zero"),
                Choice::new("constant", "constant"),
            ],
        },
    )
    .also(&["lr_scheduler_type", "learning rate scheduler"]),
    Setting::new(
        "optim.warmup_fraction",
        "Warm-up",
        "The learning rates rise linearly from zero at the start.",
        SettingKind::Percent { limits: Limits::SHARE },
    )
    .also(&["warmup_ratio", "warmup_steps"])
    .unit("of the steps"),
    Setting::new(
        "optim.weight_decay",
        "Weight decay",
        "Decoupled, as in AdamW. A higher value reduces overfitting.",
        SettingKind::Decimal { limits: Limits::from(0) },
    )
    .also(&["L2 regularization"]),
    Setting::new(
        "optim.clip_norm",
        "Gradient clipping (max norm)",
        "Gradients with a larger global norm are scaled down to it. Lower it if the loss is unstable.",
        RATE,
    )
    .also(&["max_grad_norm", "clip_grad_norm", "gradient_clip_val"]),
];

const MACHINE: &[Setting] = &[
    Setting::new(
        "device",
        "Compute device",
        "Automatic measures both briefly and uses the faster one.",
        SettingKind::Choice {
            choices: &[Choice::new("auto", "Automatic: the faster one"), Choice::new("gpu", "GPU"), Choice::new("cpu", "CPU")],
        },
    )
    .also(&["use_cpu", "no_cuda", "accelerator"]),
    Setting::new(
        "recompute",
        "Activation recomputation (saves GPU memory)",
        "When it is on, a step takes less than half of the GPU memory and about 20% more time. The result is the same.",
        SettingKind::Choice {
            choices: &[Choice::new("auto", "where activations do not fit"), Choice::new("off", "off"), Choice::new("on", "on")],
        },
    )
    .also(&["gradient_checkpointing", "activation checkpointing"])
    .when(NOT_PROBE),
];

const DATA: &[Setting] = &[
    Setting::new("data.text_column", "Text column", "Its name, or its number counted from 1.", SettingKind::Column)
        .also(&["text_column_name", "sentence column"])
        .or_absent("guessed"),
    Setting::new("data.label_column", "Label column", "Its name, or its number counted from 1.", SettingKind::Column)
        .also(&["label_column_name", "target_column"])
        .or_absent("guessed"),
    Setting::new(
        "data.header_row",
        "Header row",
        "The row of the file with the names of the columns, counted from 1; 0 if no row has them. Rows above it are left out.",
        SettingKind::Integer { limits: Limits::from(0).to(1 << 20) },
    )
    .or_absent("detected"),
    Setting::new("data.sheet", "Sheet", "Of a workbook (.xlsx), by its name.", SettingKind::Sheet)
        .or_absent("the first with content"),
    Setting::new(
        "data.merge_labels",
        "Merge labels",
        "Labels that look the same, such as Spam and spam or card_lost and card lost, are one class.",
        SettingKind::Switch,
    ),
    Setting::new(
        "data.split_column",
        "Split column",
        "A column with the values train, test, dev or validation, which say which rows are held out; none turns this off.",
        SettingKind::Column,
    )
    .or_absent("detected"),
    Setting::new(
        "data.held_out_fraction",
        "Held-out share",
        "Never trained on; the accuracy is measured on it. Stratified by class.",
        SettingKind::Percent { limits: Limits::POSITIVE.below(1) },
    )
    .also(&["test_size", "validation_split", "validation_fraction"])
    .unit("of the rows"),
    Setting::new(
        "data.max_tokens",
        "Maximum sequence length (tokens)",
        "Longer texts are truncated and counted.",
        whole(3, 1_000_000_000),
    )
    .also(&["max_seq_length", "max_length", "model_max_length"])
    .unit("tokens"),
    Setting::new(
        "seed",
        "Seed",
        "For all random draws: the same seed gives the same run.",
        SettingKind::Integer { limits: Limits::from(0).to(LARGEST_SEED) },
    )
    .also(&["random_state", "random seed"]),
];
