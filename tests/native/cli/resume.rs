//! Runs that are killed and resumed.

use std::fs;
use std::io::{BufRead, BufReader};

use super::{Workspace, event, training};

/// Trains until an evaluation was told, and is killed: no handler, no last word.
fn killed(workspace: &Workspace, more: &[&str]) {
    let mut child = workspace.command(&training(&[more, &["--json"]].concat())).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines.find(|line| line.as_ref().unwrap().contains("\"event\":\"eval\""));
    assert!(told.is_some(), "it ended before an evaluation");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!workspace.path("data-adapter").exists(), "it was too fast to be killed");
}

#[test]
fn a_killed_training_goes_on_to_the_same_adapter() {
    let flags = ["--method", "progressive", "--steps", "400", "--prompt-length", "4"];
    let (whole, workspace) = (Workspace::new(), Workspace::new());
    whole.train(&flags).succeeded();
    assert_eq!(whole.names("."), ["data-adapter", "data.csv", "held.csv"], "the checkpoint is gone when the training is done");
    killed(&workspace, &flags);
    // The lock is of the process and gone with it; its file stays.
    assert_eq!(workspace.names("."), ["data-adapter.checkpoint", "data-adapter.lock", "data.csv", "held.csv"]);
    let resume = ["train", "data.csv", "--model", super::TINY, "--resume"];
    let objects = workspace.run(&[&resume[..], &["--json"]].concat()).succeeded().objects();
    let steps = event(&objects, "step");
    let first = steps[0]["step"].as_u64().unwrap();
    assert!(first > 1 && steps.last().unwrap()["step"] == 400, "it went on with step {first}");
    assert_eq!(workspace.adapter("data-adapter"), whole.adapter("data-adapter"));
    assert_eq!(workspace.names("."), ["data-adapter", "data.csv", "held.csv"]);
}

#[test]
fn what_cannot_be_continued_is_refused() {
    let workspace = Workspace::new();
    let resume = ["train", "data.csv", "--model", super::TINY, "--resume"];
    killed(&workspace, &["--steps", "400", "--held-out", "held.csv"]);
    let held_out = [&resume[..], &["--held-out", "held.csv"]].concat();
    let checkpoint = fs::read(workspace.path("data-adapter.checkpoint")).unwrap();
    workspace.write("data-adapter.checkpoint", &checkpoint[..checkpoint.len() / 2]);
    workspace.run(&held_out).failed(1, &["the checkpoint cannot be used"]);
    workspace.write("data-adapter.checkpoint", &checkpoint);
    workspace.run(&resume).failed(1, &["another data file"]);
    workspace.write("held.csv", super::csv(48..59));
    workspace.run(&held_out).failed(1, &["another data file"]);
    workspace.write("held.csv", super::csv(48..60));
    workspace.write("data.csv", super::csv(0..47));
    workspace.run(&held_out).failed(1, &["another data file"]);
    workspace.write("data.csv", super::csv(0..48));
    assert_eq!(fs::read(workspace.path("data-adapter.checkpoint")).unwrap(), checkpoint, "nothing of it is lost");
    workspace.run(&held_out).succeeded();
}

#[test]
fn the_very_same_command_with_resume_continues() {
    let (whole, workspace) = (Workspace::new(), Workspace::new());
    let config = r#"{"optim": {"steps": 400, "batch_size": 8}, "prompt": {"length": 4}, "seed": 3}"#;
    let flags = ["--config", "settings.json", "--seed", "7", "--lr", "0.02", "--patience", "never", "--no-gate"];
    for workspace in [&whole, &workspace] {
        workspace.write("settings.json", config);
    }
    whole.train(&flags).succeeded();
    killed(&workspace, &flags);
    let objects = workspace.run(&training(&[&flags[..], &["--resume", "--json"]].concat())).succeeded().objects();
    assert!(event(&objects, "step")[0]["step"].as_u64().unwrap() > 1);
    assert!(event(&objects, "warning").iter().all(|event| !event["message"].as_str().unwrap().contains("checkpoint")));
    assert_eq!(workspace.adapter("data-adapter"), whole.adapter("data-adapter"));
}

#[test]
fn what_is_given_is_compared_with_the_checkpoint() {
    let workspace = Workspace::new();
    killed(&workspace, &["--steps", "400", "--seed", "7", "--prompt-length", "4"]);
    let checkpoint = fs::read(workspace.path("data-adapter.checkpoint")).unwrap();
    let resume = |flags: &[&str]| workspace.run(&[&["train", "data.csv", "--model", super::TINY, "--resume"], flags].concat());
    // 0 is what the seed is by default.
    resume(&["--seed", "0"]).failed(2, &["--seed 0 differs from the checkpoint's 7", "omit --resume"]);
    resume(&["--steps", "10"]).failed(2, &["--steps 10 differs from the checkpoint's 400"]);
    resume(&["--epochs", "5"]).failed(2, &["--epochs differs from the checkpoint's 400"]);
    resume(&["--patience", "never"]).failed(2, &["--patience (never) differs from the checkpoint's 4"]);
    resume(&["--method", "deep"]).failed(2, &["--method deep differs from the checkpoint's prompt"]);
    resume(&["--method", "auto"]).failed(2, &["--method auto differs from the checkpoint's prompt"]);
    resume(&["--no-update", "--no-fusion"]).failed(2, &["--no-update differs", "--no-fusion differs"]);
    resume(&["--prune"]).failed(2, &["--prune"]);
    let both = resume(&["--prompt-length", "5", "--seed", "8", "--lr", "0.02"]);
    both.failed(2, &["--prompt-length 5 differs from the checkpoint's 4", "--seed 8 differs from the checkpoint's 7"]);
    assert!(!both.stderr.contains("--lr"), "{}", both.stderr);
    workspace.write("settings.json", r#"{"optim": {"batch_size": 3}, "seed": 9}"#);
    let file = resume(&["--config", "settings.json", "--seed", "7"]);
    file.failed(2, &["optim.batch_size 3 of settings.json differs from the checkpoint's 16"]);
    assert!(!file.stderr.contains("seed"), "the flag wins over the file: {}", file.stderr);
    assert_eq!(fs::read(workspace.path("data-adapter.checkpoint")).unwrap(), checkpoint, "nothing of it is lost");
    resume(&["--seed", "7", "--steps", "400"]).succeeded();
    workspace.write("data-adapter.checkpoint", &checkpoint);
    let replaced = workspace.train(&["--steps", "3"]).succeeded();
    assert!(replaced.stderr.contains("data-adapter.checkpoint is the checkpoint of an interrupted run"), "{}", replaced.stderr);
}

#[test]
fn without_a_checkpoint_it_starts() {
    let (whole, workspace) = (Workspace::new(), Workspace::new());
    whole.train(&[]).succeeded();
    let started = workspace.train(&["--resume"]).succeeded();
    assert!(started.stderr.contains("data-adapter.checkpoint does not exist; the run starts from the beginning"));
    assert_eq!(workspace.adapter("data-adapter"), whole.adapter("data-adapter"));
}

#[test]
fn a_method_that_was_chosen_by_trials_is_continued() {
    let (whole, workspace) = (Workspace::new(), Workspace::new());
    let flags = ["--method", "auto", "--candidates", "prompt,late", "--steps", "400", "--trial-share", "0.05"];
    whole.train(&flags).succeeded();
    killed(&workspace, &flags);
    let objects = workspace.run(&training(&[&flags[..], &["--resume", "--json"]].concat())).succeeded().objects();
    assert!(event(&objects, "trial").is_empty() && event(&objects, "step")[0]["step"].as_u64().unwrap() > 1);
    assert_eq!(workspace.adapter("data-adapter"), whole.adapter("data-adapter"));
}

/// The number of threads changes no bit, neither from the start nor in the middle.
#[test]
fn another_number_of_threads_changes_no_bit() {
    let flags = ["--method", "late", "--steps", "400", "--prompt-length", "4"];
    let with = |mut workspace: Workspace, threads: &str| {
        workspace.environment.retain(|(name, _)| *name != "RAYON_NUM_THREADS");
        workspace.environment.push(("RAYON_NUM_THREADS", threads.to_owned()));
        workspace
    };
    let whole = with(Workspace::new(), "1");
    whole.train(&flags).succeeded();
    for (before, after) in [("1", "2"), ("2", "1"), ("1", "5")] {
        let workspace = with(Workspace::new(), before);
        killed(&workspace, &flags);
        let workspace = with(workspace, after);
        let resumed = workspace.train(&[&flags[..], &["--resume"]].concat()).succeeded();
        assert!(!resumed.stderr.contains("warning"), "{}", resumed.stderr);
        assert_eq!(workspace.adapter("data-adapter"), whole.adapter("data-adapter"), "{before} threads, then {after}");
    }
}

/// GPU and CPU round differently: it is said, and the training continues. (On the GPU alone `every_method` resumes, with the same
/// bits.)
#[test]
fn another_device_is_told() {
    if pollster::block_on(crate::device::adapter("another_device_is_told")).is_none() {
        return;
    }
    let workspace = Workspace::new();
    killed(&workspace, &["--steps", "60", "--device", "gpu"]);
    let resumed = workspace.train(&["--steps", "60", "--device", "cpu", "--resume"]).succeeded();
    for words in ["the checkpoint was made on", "but the run resumes on CPU (", "can differ slightly"] {
        assert!(resumed.stderr.contains(words), "no {words:?} in {}", resumed.stderr);
    }
}

#[test]
fn a_finished_run_is_not_trained_again() {
    let workspace = Workspace::new();
    let flags = ["--seed", "3", "--held-out", "held.csv"];
    workspace.train(&flags).succeeded();
    let adapter = workspace.adapter("data-adapter");
    let resume = |more: &[&str]| workspace.train(&[&["--held-out", "held.csv", "--resume"], more].concat());
    let finished = resume(&["--seed", "3"]).succeeded();
    for words in ["This run is finished, so nothing is trained", "data-adapter", "held-out accuracy", "omit --resume"] {
        assert!(finished.stdout.contains(words), "no {words:?} in {}", finished.stdout);
    }
    assert!(!finished.stderr.contains("step "), "{}", finished.stderr);
    let objects = resume(&["--json"]).succeeded().objects();
    let done = objects.last().unwrap();
    assert_eq!((&done["event"], &done["already_finished"]), (&"done".into(), &true.into()));
    assert!(event(&objects, "step").is_empty() && done["accuracy"].is_number());
    // Another run is not finished.
    resume(&["--seed", "4"]).failed(2, &["--seed 4 differs from the finished run's 3", "omit --resume"]);
    workspace.train(&["--resume"]).failed(1, &["data-adapter was made with another data file", "omit --resume"]);
    workspace.write("data.csv", super::csv(0..47));
    resume(&[]).failed(1, &["was made with another data file"]);
    workspace.write("data.csv", super::csv(0..48));
    assert_eq!(workspace.adapter("data-adapter"), adapter);
    workspace.train(&["--held-out", "held.csv", "--seed", "4"]).succeeded();
    assert_ne!(workspace.adapter("data-adapter"), adapter);
    assert_eq!(workspace.names("."), ["data-adapter", "data.csv", "held.csv"]);
}

#[cfg(unix)]
#[test]
fn a_run_that_was_stopped_before_its_first_evaluation_is_resumed() {
    let (whole, workspace) = (Workspace::new(), Workspace::new());
    let flags = ["--steps", "3000", "--evaluations", "1"];
    whole.train(&flags).succeeded();
    let mut child = workspace.command(&training(&[&flags[..], &["--json"]].concat())).spawn().unwrap();
    let stdout = super::wait_for(&mut child, "step");
    super::interrupt(&child);
    let rest: Vec<String> = stdout.lines().map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    assert!(rest.last().unwrap().contains("\"stopped_by_user\":true"), "{rest:?}");
    let objects = workspace.train(&[&flags[..], &["--resume", "--json"]].concat()).succeeded().objects();
    assert!(event(&objects, "step")[0]["step"].as_u64().unwrap() > 1 && event(&objects, "done")[0]["steps"] == 3000);
    assert_eq!(workspace.adapter("data-adapter"), whole.adapter("data-adapter"));
}
