//! `softprompt compare` as a user or a script runs it, on `tests/golden/tiny`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny");

fn csv(rows: std::ops::Range<usize>) -> String {
    let words = [["card", "lost", "bank"], ["play", "song", "happy"], ["rain", "cold", "weather"]];
    let row = |i: usize| {
        let (class, word) = (i % 3, |k: usize| words[i % 3][(i / 3 + k) % 3]);
        format!("the {} {} number {i},{}\n", word(0), word(i % 2 + 1), ["bank", "music", "weather"][class])
    };
    rows.fold(String::from("text,label\n"), |text, i| text + &row(i))
}

fn command(folder: &Path, more: &[&str]) -> Command {
    let mut command = command_of(folder, &["--test", "other.csv"]);
    command.args(more);
    command
}

fn command_of(folder: &Path, files: &[&str]) -> Command {
    with_encoder(folder, TINY, files)
}

fn with_encoder(folder: &Path, encoder: &str, files: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_softprompt"));
    command.args(["compare", "data.csv", "--model", encoder, "--device", "cpu", "--batch-size", "8", "--prompt-length", "4"]);
    command.args(["--methods", "prompt,late+prompt.late.bottleneck=8", "--seeds", "2", "--out", "out"]);
    command.args(files).current_dir(folder).env("SOFTPROMPT_OFFLINE", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(folder: &Path, more: &[&str]) -> Output {
    command(folder, more).output().unwrap()
}

fn stored(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("out/compare.json")).unwrap()).unwrap()
}

#[test]
fn a_killed_comparison_goes_on_with_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("data.csv"), csv(0..60)).unwrap();
    fs::write(folder.join("other.csv"), csv(60..90)).unwrap();
    let steps = ["--steps", "24"];

    // Killed as soon as it tells that the first cell is done.
    let mut child = command(folder, &[&steps[..], &["--json"]].concat()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let done =
        lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()).find(|event| event["event"] == "cell_done");
    child.kill().unwrap();
    child.wait().unwrap();
    let first = done.expect("a cell was done")["result"].clone();
    assert_eq!(stored(folder)["cells"][0], first, "on the disk before it is told");

    let output = run(folder, &steps);
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let all = stored(folder);
    let cells = all["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 8, "two variants, the probe and the majority class under two seeds");
    // Times are never the same twice.
    assert_eq!(cells[0], first, "the first was not run again");
    let names: Vec<&str> = all["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["prompt", "late+prompt.late.bottleneck=8", "probe", "majority"]);
    for name in names {
        assert!(stdout.contains(name), "no {name} in the table: {stdout}");
    }
    assert!(stdout.contains("other.csv") && stdout.contains("±"), "{stdout}");

    let svg = fs::read_to_string(folder.join("out/compare.svg")).unwrap();
    for words in ["<svg", "</svg>", "held-out accuracy", "training time in seconds", "late+prompt.late.bottleneck=8", "majority"]
    {
        assert!(svg.contains(words), "no {words} in the plot");
    }
    let bytes = fs::read(folder.join("out/compare.png")).unwrap();
    let mut png = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; png.output_buffer_size().unwrap()];
    png.next_frame(&mut pixels).unwrap();
    let colours: std::collections::BTreeSet<&[u8]> = pixels.chunks(3).collect();
    assert!(colours.len() > 10 && colours.contains(&[0, 114, 178][..]), "{} colours, the first line's among them", colours.len());

    // A third start has nothing to do but tells the same.
    let again = run(folder, &[&steps[..], &["--json"]].concat());
    let events: Vec<Value> =
        String::from_utf8(again.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.iter().filter(|event| event["event"] == "cell_done").count(), 8);
    assert!(events.iter().all(|event| event["event"] != "cell_started"), "nothing is run");
    assert_eq!(events.last().unwrap()["rows"], all["rows"]);

    // What is there is of other settings, or of other data.
    let failed = |more: &[&str], word: &str| {
        let output = run(folder, more);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && stderr.contains(word) && stderr.contains("--out"), "{stderr}");
    };
    failed(&["--steps", "25"], "differs in the settings");
    fs::write(folder.join("data.csv"), csv(0..57)).unwrap();
    failed(&steps, "differs in the data");
    assert_eq!(stored(folder), all, "left as it was");
    fs::write(folder.join("data.csv"), csv(0..60)).unwrap();

    // The same files, one of them for something else.
    let mut held_out = command_of(folder, &["--held-out", "other.csv"]);
    let output = held_out.args(steps).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("differs in the data"));
    // The same weights under another tokenizer: it takes other words for the same.
    let other = folder.join("encoder");
    fs::create_dir(&other).unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(Path::new(TINY).join(file), other.join(file)).unwrap();
    }
    let tokenizer = fs::read_to_string(Path::new(TINY).join("tokenizer.json")).unwrap();
    let cased =
        tokenizer.replace("\"lowercase\": true", "\"lowercase\": false").replace("\"lowercase\":true", "\"lowercase\":false");
    assert_ne!(cased, tokenizer);
    fs::write(other.join("tokenizer.json"), cased).unwrap();
    let output = with_encoder(folder, "encoder", &["--test", "other.csv"]).args(steps).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && stderr.contains("differs in the encoder"), "{stderr}");
    // Another version of the program may come to other figures.
    let path = folder.join("out/compare.json");
    let text = fs::read_to_string(&path).unwrap();
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version));
    fs::write(&path, text.replace(&version, "\"version\": \"0.0.1\"")).unwrap();
    failed(&steps, "differs in the program version");
}

#[test]
fn mistakes_are_told_before_anything_is_run() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data.csv"), csv(0..60)).unwrap();
    fs::write(folder.path().join("other.csv"), "text,label\nplay a song,cars\n").unwrap();
    for (more, code, word) in [
        (&["--methods", "lat"][..], 2, "no method `lat`"),
        (&["--seeds", "x"], 2, "`x` is not a number of seeds"),
        (&["--budget", "hours:2"], 2, "seconds:S"),
        (&[], 1, "other.csv: the test file has the label `cars`"),
    ] {
        let mut command = command(folder.path(), &[]);
        if more.contains(&"--methods") || more.contains(&"--seeds") {
            // A flag may be given once.
            command = Command::new(env!("CARGO_BIN_EXE_softprompt"));
            command.args(["compare", "data.csv", "--model", TINY, "--device", "cpu"]).current_dir(folder.path());
        }
        let output = command.args(more).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(code) && stderr.contains(word), "{more:?}: {:?} {stderr}", output.status);
    }
}

#[test]
fn a_single_seed_has_no_deviation_and_the_runs_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data.csv"), csv(0..60)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_softprompt"));
    command.args(["compare", "data.csv", "--model", TINY, "--device", "cpu", "--methods", "prompt,late", "--seeds", "1"]);
    let output = command.args(["--steps", "4", "--out", "out"]).current_dir(folder.path()).output().unwrap();
    let [shown, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success() && said.contains("4 runs: 4 methods × 1 seed (prompt, late, probe, majority)"), "{said}");
    assert!(!shown.contains('±') && shown.contains("of a single seed"), "{shown}");
}
