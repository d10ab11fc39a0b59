//! Some kills of `cargo xtask soak`, so that it is not forgotten.

use std::path::Path;

#[path = "../../xtask/src/soak/trainings.rs"]
mod trainings;

#[test]
fn trainings_that_are_killed_come_to_the_same_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny");
    let program = Path::new(env!("CARGO_BIN_EXE_softprompt"));
    let summary = trainings::soak(program, &encoder, folder.path(), 3, 5).unwrap_or_else(|problem| panic!("{problem}"));
    println!("{}", summary.line(5));
    assert!(summary.kills >= 3 && summary.trainings >= 1 && summary.resumed + summary.again >= 3, "{summary:?}");
    assert_eq!(summary.differences, 0, "{summary:?}");
}
