//! Trainings that are killed, and go on.

use std::fs;
use std::io::{BufRead, BufReader};

use super::{Place, event, training};

/// Trains until an evaluation was told, and is killed: no handler, no last word.
fn killed(place: &Place, more: &[&str]) {
    let mut child = place.command(&training(&[more, &["--json"]].concat())).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines.find(|line| line.as_ref().unwrap().contains("\"event\":\"eval\""));
    assert!(told.is_some(), "it ended before an evaluation");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!place.path("data-adapter").exists(), "it was too fast to be killed");
}

#[test]
fn a_killed_training_goes_on_to_the_same_adapter() {
    let flags = ["--method", "progressive", "--steps", "400", "--prompt-length", "4"];
    let (whole, place) = (Place::new(), Place::new());
    whole.train(&flags).succeeded();
    assert_eq!(whole.names("."), ["data-adapter", "data.csv", "held.csv"], "the checkpoint is gone when the training is done");
    killed(&place, &flags);
    assert_eq!(place.names("."), ["data-adapter.checkpoint", "data.csv", "held.csv"]);
    let resume = ["train", "data.csv", "--model", super::TINY, "--resume"];
    let objects = place.run(&[&resume[..], &["--json"]].concat()).succeeded().objects();
    let steps = event(&objects, "step");
    let first = steps[0]["step"].as_u64().unwrap();
    assert!(first > 1 && steps.last().unwrap()["step"] == 400, "it went on with step {first}");
    assert_eq!(place.adapter("data-adapter"), whole.adapter("data-adapter"));
    assert_eq!(place.names("."), ["data-adapter", "data.csv", "held.csv"]);
}

#[test]
fn what_cannot_go_on_is_refused() {
    let place = Place::new();
    let resume = ["train", "data.csv", "--model", super::TINY, "--resume"];
    place.run(&resume).failed(1, &["data-adapter.checkpoint", "there is no checkpoint", "leave out --resume"]);
    killed(&place, &["--steps", "400"]);
    place.run(&[&resume[..], &["--steps", "10"]].concat()).failed(2, &["settings cannot be changed"]);
    let checkpoint = fs::read(place.path("data-adapter.checkpoint")).unwrap();
    place.write("data-adapter.checkpoint", &checkpoint[..checkpoint.len() / 2]);
    place.run(&resume).failed(1, &["the checkpoint cannot be used"]);
    place.write("data-adapter.checkpoint", &checkpoint);
    place.write("data.csv", super::csv(0..47));
    place.run(&resume).failed(1, &["another data file"]);
}
