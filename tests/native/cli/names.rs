//! The names that settings have in other tools, on the command line.

use serde_json::json;
use softprompt::config::describe;

use super::{TINY, Workspace};

#[test]
fn usual_names_are_flags() {
    let workspace = Workspace::new();
    let flags = [
        ["--max_steps", "4"],
        ["--per_device_train_batch_size", "8"],
        ["--learning_rate", "0.01"],
        ["--head-learning-rate", "0.002"],
        ["--lr_scheduler_type", "linear"],
        ["--warmup-ratio", "0.25"],
        ["--max-grad-norm", "0.5"],
        ["--early_stopping_patience", "3"],
        ["--num-virtual-tokens", "3"],
        ["--max_seq_length", "32"],
        ["--test_size", "0.25"],
        ["--random_state", "7"],
        ["--text_column_name", "text"],
    ];
    let own = ["train", "data.csv", "--model", TINY, "--device", "cpu"];
    workspace.run(&[&own[..], flags.as_flattened()].concat()).succeeded();
    let found = workspace.run(&["inspect", "data-adapter", "--json"]).succeeded().objects().pop().unwrap();
    let config = &found["config"];
    let optim = &config["optim"];
    assert_eq!((&optim["steps"], &optim["batch_size"], &optim["schedule"]), (&json!(4), &json!(8), &json!("linear")));
    assert_eq!((&optim["prompt_lr"], &optim["head_lr"]), (&json!(0.01), &json!(0.002)));
    assert_eq!((&optim["warmup_fraction"], &optim["clip_norm"]), (&json!(0.25), &json!(0.5)));
    assert_eq!((&config["eval"]["patience"], &config["prompt"]["length"], &config["seed"]), (&json!(3), &json!(3), &json!(7)));
    let data = &config["data"];
    assert_eq!(
        (&data["max_tokens"], &data["held_out_fraction"], &data["text_column"]),
        (&json!(32), &json!(0.25), &json!("text"))
    );
    // Two names of one setting are one flag, and what is counted otherwise elsewhere is none.
    workspace.train(&["--epochs", "1", "--num_train_epochs", "2"]).failed(2, &["--epochs"]);
    workspace.train(&["--epochs", "1", "--max-steps", "2"]).failed(2, &["--epochs"]);
    for flag in ["--eval_steps", "--warmup_steps", "--gradient_checkpointing"] {
        workspace.train(&[flag, "10"]).failed(2, &[flag]);
    }
}

#[test]
fn help_has_the_usual_names() {
    let help = Workspace::new().run(&["train", "--help"]).succeeded().stdout;
    for setting in describe::groups().iter().flat_map(|group| group.options) {
        for name in setting.also.iter().filter(|name| !name.contains(' ') && !setting.path.starts_with("prompt.prune.")) {
            assert!(help.contains(name), "{name} of {} in {help}", setting.path);
        }
    }
    assert!(help.contains("Gradient clipping (max norm).") && help.contains("[aliases: --max_grad_norm, "), "{help}");
}
