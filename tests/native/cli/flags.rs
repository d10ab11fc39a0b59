//! Flags that are wrong, or have no effect: what is said names the flag and where it belongs.

use super::{Outcome, TINY, Workspace, csv};

#[test]
fn a_negative_number_is_a_number_outside_the_limits() {
    let workspace = Workspace::new();
    workspace.train(&["--lr", "-1"]).failed(2, &["error: --lr: ", "is too small", "use more than 0"]);
    workspace.train(&["--lr", "-1e-3"]).failed(2, &["error: --lr: ", "use more than 0"]);
    workspace.train(&["--seed", "-1"]).failed(2, &["invalid value '-1' for '--seed <N>'", "it is too small; use 0 to "]);
    workspace.train(&["--held-out-fraction", "-0.2"]).failed(2, &["--held-out-fraction: -0.2 is too small"]);
    workspace.run(&["predict", "a", "--file", "b", "--header-row", "-1"]).failed(2, &["'--header-row <ROW>'", "use 0 to "]);
    workspace.run(&["compare", "data.csv", "--seeds", "-1"]).failed(2, &["--seeds: `-1` is not a number of seeds"]);
    // From a file, the path is what is written there.
    workspace.write("settings.json", r#"{"optim": {"prompt_lr": -1}}"#);
    workspace.train(&["--config", "settings.json"]).failed(2, &["optim.prompt_lr: ", "use more than 0"]);
    let json = workspace.train(&["--members", "1", "--json"]);
    assert!(json.objects()[0]["message"].as_str().unwrap().starts_with("--members: "), "{}", json.stdout);
    // What depends on the encoder.
    workspace.train(&["--method", "late", "--layer", "77"]).failed(2, &["--layer: 77 layers below the prompt"]);
}

#[track_caller]
fn noted(outcome: Outcome, notes: &[&str]) {
    let outcome = outcome.succeeded();
    for note in notes {
        assert!(outcome.stderr.contains(&format!("note: {note}")), "no {note:?} in {}", outcome.stderr);
    }
    assert_eq!(outcome.stderr.matches(" has no effect here").count(), notes.len(), "{}", outcome.stderr);
}

#[test]
fn a_flag_without_effect_says_where_it_belongs() {
    let workspace = Workspace::new();
    let short = |more: &[&str]| workspace.train(&[&["--steps", "2"], more].concat());
    noted(short(&["--layer", "1"]), &["--layer has no effect here: it belongs to --method late"]);
    noted(short(&["--sheet", "Data"]), &["--sheet has no effect here: it belongs to workbooks (.xlsx)"]);
    noted(short(&["--recompute", "on"]), &["--recompute has no effect here: it belongs to runs on a GPU"]);
    let fraction = ["--held-out-fraction", "0.3", "--held-out", "held.csv"];
    noted(short(&fraction), &["--held-out-fraction has no effect here: --held-out names a file"]);
    noted(short(&["--header-row", "1", "--lr", "0.1"]), &[]);
    // On stderr also with --json, as errors are; a config file may have settings of any method.
    let json = short(&["--json", "--members", "3"]);
    noted(
        json,
        &["--members has no effect here: it belongs to --method ensemble, or to --method progressive with --base ensemble"],
    );
    workspace.write("settings.json", r#"{"prompt": {"late": {"layer": 1}}, "data": {"sheet": "Data"}}"#);
    noted(short(&["--config", "settings.json"]), &[]);

    let table = csv(0..48);
    let rows = table.lines().skip(1).map(|line| {
        let (text, label) = line.rsplit_once(',').unwrap();
        format!("{{\"text\": {text}, \"label\": \"{label}\"}}\n")
    });
    workspace.write("data.jsonl", rows.collect::<String>());
    let header = ["--header-row has no effect here: this format has no header row"];
    noted(workspace.run(&["inspect", "data.jsonl", "--header-row", "1"]), &header);
    let device = ["--model", TINY, "--device", "cpu"];
    noted(workspace.run(&[&["eval", "data-adapter", "data.jsonl", "--header-row", "1"], &device[..]].concat()), &header);
    let predict = ["predict", "data-adapter", "--file", "data.jsonl", "--sheet", "x"];
    noted(workspace.run(&[&predict[..], &device].concat()), &["--sheet has no effect here"]);
    workspace.run(&["predict", "data-adapter", "--sheet", "x"]).failed(2, &["--file"]);
    noted(
        workspace.run(&["inspect", "data-adapter", "--text-column", "text"]),
        &["--text-column has no effect here: it belongs to data"],
    );
    let compare =
        ["compare", "data.csv", "--methods", "prompt", "--steps", "2", "--seeds", "1,2", "--method", "late", "--seed", "3"];
    let more = ["--rank", "2", "--out", "compared"];
    noted(
        workspace.run(&[&compare[..], &more, &device].concat()),
        &[
            "--method has no effect here: --methods",
            "--seed has no effect here: --seeds",
            "--rank has no effect here: it belongs to",
        ],
    );
}
