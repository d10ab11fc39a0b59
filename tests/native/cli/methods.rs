//! The flags of the methods, from the command line to the adapter and back.

use serde_json::{Value, json};

use super::{TINY, Workspace};

/// Trains with these flags; the settings in the adapter, and what `inspect` says.
fn trained(flags: &[&str]) -> (Value, String) {
    let workspace = Workspace::new();
    workspace.train(&[flags, &["--steps", "4", "--prompt-length", "4"]].concat()).succeeded();
    let found = workspace.run(&["inspect", "data-adapter", "--json"]).succeeded().objects().pop().unwrap();
    // The adapter works, too.
    let answer =
        workspace.run_with(&["predict", "data-adapter", "--model", TINY, "--device", "cpu"], "play a song\n").succeeded();
    assert!(["weather", "music", "food"].iter().any(|label| answer.stdout.contains(label)), "{}", answer.stdout);
    (found["config"]["prompt"].clone(), workspace.run(&["inspect", "data-adapter"]).succeeded().stdout)
}

#[test]
fn late_prompts() {
    let flags = [
        "--method",
        "late",
        "--layer",
        "1",
        "--generator",
        "max",
        "--reads",
        "mean",
        "--bottleneck",
        "6",
        "--generator-lr",
        "0.01",
        "--cache-mb",
        "0",
    ];
    let (prompt, shown) = trained(&flags);
    assert_eq!(prompt["method"], "late");
    assert_eq!(
        prompt["late"],
        json!({"layer": 1, "generator": "max", "reads": "mean", "bottleneck": 6, "generator_lr": 0.01, "cache_mb": 0})
    );
    assert!(shown.contains("late prompt tuning after layer 1, max pooling generator with bottleneck 6"), "{shown}");
    assert!(shown.contains("4 virtual tokens (") && shown.contains("PEFT does not have this method"), "{shown}");
    let (prompt, shown) = trained(&["--method", "late", "--reads", "mean"]);
    assert_eq!((&prompt["late"]["generator"], &prompt["late"]["reads"]), (&json!("naive"), &json!("mean")));
    assert!(shown.contains("naive generator with bottleneck 64 on the mean of the tokens"), "{shown}");
}

#[test]
fn efficient_prompts() {
    let flags = [
        "--method",
        "efficient",
        "--rank",
        "3",
        "--update-scale",
        "4",
        "--low-rank-lr",
        "0.001",
        "--attention",
        "5",
        "--spaces",
        "3",
        "--space-width",
        "2",
        "--no-gate",
        "--module-lr",
        "0.002",
    ];
    let (prompt, shown) = trained(&flags);
    let mut expected = json!({
        "rank": 3, "scale": 4.0, "low_rank_lr": 0.001, "update": true, "fusion": true, "attention": 5, "spaces": 3, "space_width": 2,
        "gate": false, "module_lr": 0.002,
    });
    assert_eq!(prompt["efficient"], expected);
    assert!(shown.contains("efficient prompt tuning, embedding update of rank 3"), "{shown}");
    let (prompt, shown) = trained(&[&flags[..], &["--no-update", "--no-fusion", "--head", "peft"]].concat());
    (expected["update"], expected["fusion"]) = (false.into(), false.into());
    assert_eq!(prompt["efficient"], expected);
    assert!(shown.contains("without embedding update") && shown.contains("can load it"), "{shown}");
}

#[test]
fn prefixes_and_ensembles() {
    let (prompt, shown) = trained(&["--method", "deep", "--head", "text"]);
    assert_eq!(prompt["method"], "deep");
    assert!(
        shown.contains("P-tuning v2 (a prefix in every layer)") && shown.contains("4 prefix rows (512 parameters)"),
        "{shown}"
    );
    assert!(shown.contains("linear layer on the mean of the text’s tokens"), "{shown}");
    let (prompt, shown) = trained(&["--method", "ensemble", "--members", "3", "--vote", "majority"]);
    assert_eq!(prompt["ensemble"], json!({"members": 3, "vote": "majority"}));
    assert!(shown.contains("prompt ensemble") && shown.contains("3 of 4 virtual tokens (384 parameters)"), "{shown}");
}

#[test]
fn progressive_training() {
    let flags = [
        "--method",
        "progressive",
        "--base",
        "efficient",
        "--shrink",
        "width",
        "--stages",
        "0.25:0.5,0.25:0.75",
        "--head-transition",
        "refit",
        "--refit-steps",
        "1",
        "--score-texts",
        "7",
    ];
    let (prompt, shown) = trained(&flags);
    let expected = json!({
        "base": "efficient", "shrink": "width", "stages": [{"share": 0.25, "size": 0.5}, {"share": 0.25, "size": 0.75}],
        "head": "refit", "refit_steps": 1, "score_texts": 7,
    });
    assert_eq!(prompt["progressive"], expected);
    assert!(
        shown.contains("efficient prompt tuning, embedding update of rank 10, progressive (partial encoders first)"),
        "{shown}"
    );
}

#[test]
fn pruning_and_help() {
    let (prompt, _) = trained(&[]);
    assert_eq!(prompt["prune"], Value::Null);
    let (prompt, shown) = trained(&["--prune"]);
    assert_eq!(prompt["prune"], json!({"tokens": 0.2, "pieces": 16, "piece_share": 0.2}));
    assert!(shown.contains("prompt tuning, pruned"), "{shown}");
    let (prompt, _) = trained(&["--prune=0.5:4:0.25"]);
    assert_eq!(prompt["prune"], json!({"tokens": 0.5, "pieces": 4, "piece_share": 0.25}));

    let workspace = Workspace::new();
    let help = workspace.run(&["train", "--help"]).succeeded().stdout;
    for words in [
        "auto|probe|prompt|late|progressive|efficient|deep|ensemble",
        "mean|text|cls|peft",
        "[default: naive]",
        "[default: half of the layers]",
        "[default: 0.2:0.25,0.2:0.5,0.2:0.75]",
        "[default: no; --prune alone: 0.2:16:0.2]",
        "[default: prompt,late,deep]",
    ] {
        assert!(help.contains(words), "no {words:?} in {help}");
    }
    for (flags, word) in [
        (&["--stages", "0.2"][..], "SHARE:SIZE"),
        (&["--stages", "0.6:0.5,0.6:0.7"], "--stages: "),
        (&["--prune=0.2"], "ROWS:PIECES:SHARE"),
        (&["--generator", "big"], "naive"),
        (&["--base", "late"], "--base: "),
        (&["--no-update"], "--no-fusion: "),
        (&["--members", "1"], "--members: "),
        (&["--candidates", "prompt,auto"], "--candidates: "),
        (&["--method", "magic"], "efficient"),
    ] {
        workspace.train(flags).failed(2, &[word]);
    }
}
