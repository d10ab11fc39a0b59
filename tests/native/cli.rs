//! The program itself, run as a user or a script runs it: arguments in, files, output and exit codes out. The encoder is
//! `tests/golden/tiny`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use softprompt::adapter::Adapter;
use softprompt::config::RunConfig;

mod downloads;
mod files;
mod flags;
mod messages;
mod methods;
mod names;
mod places;
mod resume;
mod tables;

const ADAPTER_FILES: [&str; 5] =
    ["README.md", "adapter_config.json", "adapter_model.safetensors", "classify.py", "softprompt.json"];

/// A folder of its own, with data, where the program runs without a network.
struct Workspace {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
}

/// What the program left.
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Workspace {
    /// With `data.csv` (48 rows of three classes) and `held.csv` (12 others).
    fn new() -> Self {
        let workspace = Self { folder: tempfile::tempdir().unwrap(), environment: vec![("SOFTPROMPT_OFFLINE", "1".into())] };
        workspace.write("data.csv", csv(0..48));
        workspace.write("held.csv", csv(48..60));
        workspace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_softprompt"));
        command.args(arguments).current_dir(self.folder.path()).env_remove("SOFTPROMPT_HUB");
        command.env("SOFTPROMPT_CACHE", self.path("cache")).envs(self.environment.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], stdin: &str) -> Outcome {
        let mut child = self.command(arguments).spawn().unwrap();
        // A program that never reads it may be gone already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Trains on `data.csv` with the tiny encoder on the CPU, 12 steps unless told otherwise.
    fn train(&self, more: &[&str]) -> Outcome {
        self.run(&training(more))
    }

    fn adapter(&self, folder: &str) -> Vec<Vec<u8>> {
        ADAPTER_FILES.iter().map(|name| fs::read(self.path(folder).join(name)).unwrap()).collect()
    }

    /// Names in a folder, sorted.
    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Outcome {
    #[track_caller]
    fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Failed with this exit code and all of these words on stderr.
    #[track_caller]
    fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        assert!(self.stderr.starts_with("error: ") || self.stderr.contains("\nerror: "), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {}", self.stderr);
        }
    }

    #[track_caller]
    fn objects(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
    }
}

fn training<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["train", "data.csv", "--model", TINY];
    if !more.contains(&"--device") {
        arguments.extend(["--device", "cpu"]);
    }
    if !more.iter().any(|flag| ["--steps", "--epochs", "--config"].contains(flag)) {
        arguments.extend(["--steps", "12"]);
    }
    arguments.extend(more);
    arguments
}

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny");

/// Rows of three classes; no text occurs twice.
fn csv(rows: std::ops::Range<usize>) -> String {
    let classes = [
        ("weather", ["will it rain", "is there snow", "sun or rain", "how cold is it"]),
        ("music", ["play this song", "add the music to my list", "open my music", "play some old song"]),
        ("food", ["order a table", "find a restaurant", "get me bread and tea", "i want coffee"]),
    ];
    let when = ["today", "tomorrow", "this morning", "at night", "next week"];
    let line = |i: usize| {
        let (label, texts) = &classes[i % 3];
        format!("\"{} {}, please\",{label}\n", texts[i / 3 % 4], when[i / 12 % 5])
    };
    std::iter::once("text,label\n".to_owned()).chain(rows.map(line)).collect()
}

fn event<'a>(objects: &'a [Value], name: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["event"] == name).collect()
}

#[test]
fn training_writes_an_adapter_and_says_how_good_it_is() {
    let workspace = Workspace::new();
    let outcome = workspace.train(&[]).succeeded();
    assert_eq!(workspace.names("data-adapter"), ADAPTER_FILES);
    assert_eq!(workspace.names("."), ["data-adapter", "data.csv", "held.csv"], "nothing else is left");
    for words in ["held-out accuracy", "linear probe", "majority class", "precision", "weather", "predict data-adapter"] {
        assert!(outcome.stdout.contains(words), "no {words:?} in {}", outcome.stdout);
    }
    for words in ["48 rows", "48 usable", "`text` (column 1)", "3 classes", "Device: ", "step 12: ", "Linear probe"] {
        assert!(outcome.stderr.contains(words), "no {words:?} in {}", outcome.stderr);
    }
}

#[test]
fn json_is_events_and_nothing_else() {
    let workspace = Workspace::new();
    let outcome = workspace.train(&["--json", "--out", "a/b"]).succeeded();
    let objects = outcome.objects();
    assert_eq!(outcome.stderr, "");
    assert_eq!(objects[0]["event"], "data");
    assert_eq!((&objects[0]["rows"], &objects[0]["text_column"]), (&48.into(), &"text".into()));
    assert_eq!(objects[1]["event"], "started");
    assert_eq!(objects[1]["classes"], serde_json::json!(["food", "music", "weather"]));
    let steps: Vec<_> = event(&objects, "step").iter().map(|step| step["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, (1..=12).collect::<Vec<_>>());
    assert_eq!(event(&objects, "done").len(), 1, "a script may stop reading there");
    let [.., saved, done] = &objects[..] else { panic!("{}", outcome.stdout) };
    assert_eq!((&saved["event"], &saved["adapter"]), (&"saved".into(), &"a/b".into()));
    assert_eq!((&done["event"], &done["steps"]), (&"done".into(), &12.into()));
    for figure in ["accuracy", "macro_f1", "probe_accuracy", "majority_accuracy"] {
        assert!((0.0..=1.0).contains(&done[figure].as_f64().unwrap()), "{figure} in {done}");
    }
    assert!(done["seconds"].as_f64().unwrap() > 0.0 && done["device"].is_string());
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let workspace = Workspace::new();
    workspace.train(&["--out", "one"]).succeeded();
    workspace.train(&["--out", "two"]).succeeded();
    workspace.train(&["--out", "other", "--seed", "1"]).succeeded();
    assert_eq!(workspace.adapter("one"), workspace.adapter("two"));
    assert_ne!(workspace.adapter("one")[2], workspace.adapter("other")[2]);
}

#[test]
fn flags_win_over_the_config_file_which_wins_over_the_defaults() {
    let workspace = Workspace::new();
    let mut config = RunConfig::default();
    (config.optim.steps, config.optim.batch_size, config.prompt.length) = (Some(7), 5, 3);
    workspace.write("config.json", serde_json::to_string(&config).unwrap());
    let manifest = |folder: &str| -> Value { serde_json::from_slice(workspace.adapter(folder).last().unwrap()).unwrap() };

    workspace
        .train(&["--config", "config.json", "--prompt-length", "4", "--patience", "never", "--init", "text:play a song"])
        .succeeded();
    let settings = &manifest("data-adapter")["config"];
    assert_eq!((&settings["optim"]["steps"], &settings["optim"]["batch_size"]), (&7.into(), &5.into()));
    assert_eq!((&settings["prompt"]["length"], &settings["prompt"]["init"]["text"]), (&4.into(), &"play a song".into()));
    assert_eq!((&settings["eval"]["patience"], &settings["head"]["kind"]), (&Value::Null, &"mean".into()));

    // An adapter's own file repeats its run.
    workspace.train(&["--config", "data-adapter/softprompt.json", "--out", "again"]).succeeded();
    assert_eq!(workspace.adapter("data-adapter"), workspace.adapter("again"));
    // Epochs given by flag win over steps in the file: 39 training rows, 8 steps of 5.
    workspace.train(&["--config", "config.json", "--epochs", "1", "--out", "epoch"]).succeeded();
    assert_eq!(manifest("epoch")["config"]["optim"]["steps"], Value::Null);

    workspace.write("typo.json", r#"{"optim": {"stepz": 7}}"#);
    workspace.train(&["--config", "typo.json"]).failed(1, &["typo.json", "stepz"]);
}

#[test]
fn a_second_training_replaces_an_adapter_but_nothing_else() {
    let workspace = Workspace::new();
    workspace.train(&["--out", "out"]).succeeded();
    let first = workspace.adapter("out");
    workspace.write("out/notes.txt", "mine");
    let second = workspace.train(&["--out", "out", "--seed", "5"]).succeeded();
    assert!(second.stderr.contains("out holds an adapter, which this run replaces"), "{}", second.stderr);
    assert_ne!(first[2], workspace.adapter("out")[2]);
    assert_eq!(fs::read(workspace.path("out/notes.txt")).unwrap(), b"mine");
    assert_eq!(workspace.names("out").len(), 6, "{:?}", workspace.names("out"));

    workspace.write("photos/cat.jpg", "meow");
    workspace.train(&["--out", "photos"]).failed(1, &["photos", "cat.jpg", "--out"]);
    assert_eq!(workspace.names("photos"), ["cat.jpg"]);
    workspace.train(&["--out", "held.csv"]).failed(1, &["held.csv", "is a file"]);
    assert_eq!(fs::read_to_string(workspace.path("held.csv")).unwrap(), csv(48..60));
}

#[test]
fn a_report_is_written_beside_the_adapter() {
    let workspace = Workspace::new();
    let shown = workspace.train(&["--report", "reports/first.html"]).succeeded();
    assert!(shown.stderr.contains("The report is in reports/first.html"), "{}", shown.stderr);
    assert_eq!(workspace.names("reports"), ["first.html"], "nothing else is left there");
    let html = fs::read_to_string(workspace.path("reports/first.html")).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.contains("data.csv"), "{html}");
    assert!(!html.contains(workspace.folder.path().to_str().unwrap()), "a path of this machine");
    workspace.train(&["--report", "reports"]).failed(1, &["reports", "is a folder"]);
}

#[test]
fn eval_agrees_with_the_training_s_own_figures() {
    let workspace = Workspace::new();
    let done = workspace.train(&["--held-out", "held.csv", "--json"]).succeeded().objects().pop().unwrap();
    let evaluated = workspace.run(&["eval", "data-adapter", "held.csv", "--device", "cpu", "--json"]).succeeded().objects();
    assert_eq!(evaluated.len(), 1);
    for figure in ["accuracy", "macro_f1", "per_class", "confusion"] {
        assert_eq!(evaluated[0][figure], done[figure], "{figure}");
    }
    assert_eq!(evaluated[0]["rows"], 12);
    for figure in ["accuracy", "macro_f1"] {
        let (value, interval) = (evaluated[0][figure].as_f64().unwrap(), &evaluated[0][format!("{figure}_interval")]);
        let (low, high) = (interval["low"].as_f64().unwrap(), interval["high"].as_f64().unwrap());
        assert!(0.0 <= low && low <= value && value <= high && high <= 1.0, "{figure}: {low} {value} {high}");
    }
    assert!((0.0..=1.0).contains(&evaluated[0]["calibration_error"].as_f64().unwrap()));
    let shown = workspace.run(&["eval", "data-adapter", "held.csv", "--device", "cpu"]).succeeded().stdout;
    assert!(shown.contains("accuracy") && shown.contains("music") && shown.contains("12 texts"), "{shown}");
    assert!(shown.matches("95% confidence interval").count() == 2 && shown.contains("calibration"), "{shown}");

    workspace.write("strange.csv", "text,label\nplay a song,music\nfind my phone,lost\n");
    let strange = workspace.run(&["eval", "data-adapter", "strange.csv", "--json"]);
    strange.failed(1, &["strange.csv", "`lost`", "row 3", "food, music, weather"]);
    let error = strange.objects().pop().unwrap();
    assert_eq!((&error["event"], &error["code"]), (&"error".into(), &"data".into()));
    assert_eq!((&error["row"], &error["column"]), (&3.into(), &"label".into()));
}

#[test]
fn predict_labels_lines_and_files_in_order() {
    let workspace = Workspace::new();
    workspace.train(&[]).succeeded();
    let predict = ["predict", "data-adapter", "--device", "cpu", "--json"];
    let objects = workspace.run_with(&predict, "will it rain today\r\n\nplay this song").succeeded().objects();
    let texts: Vec<_> = objects.iter().map(|object| object["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["will it rain today", "", "play this song"]);
    for object in [&objects[0], &objects[2]] {
        assert_eq!(object["label"], object["probabilities"][0]["label"], "{object}");
        assert!(["food", "music", "weather"].contains(&object["label"].as_str().unwrap()), "{object}");
    }
    assert_eq!((&objects[1]["label"], &objects[1]["probabilities"]), (&Value::Null, &serde_json::json!([])));
    let probabilities: Vec<f64> =
        objects[0]["probabilities"].as_array().unwrap().iter().map(|class| class["probability"].as_f64().unwrap()).collect();
    assert!(probabilities.len() == 3 && probabilities.is_sorted_by(|a, b| a >= b), "{probabilities:?}");
    assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{probabilities:?}");

    // Each text has its own answer, the one it gets alone.
    let alone = workspace.run_with(&predict, "play this song").succeeded().objects().pop().unwrap();
    let distance = |other: &Value| {
        let of = |object: &Value, label: &Value| {
            let classes = object["probabilities"].as_array().unwrap();
            classes.iter().find(|class| class["label"] == *label).unwrap()["probability"].as_f64().unwrap()
        };
        (of(&alone, &alone["label"]) - of(other, &alone["label"])).abs()
    };
    assert!(distance(&objects[2]) < 1e-5 && distance(&objects[0]) > 1e-3, "{alone} {objects:?}");

    // The same texts from a file, plain and as a table (with and without labels), and from a zip of the adapter.
    workspace.write("lines.txt", "will it rain today\n\nplay this song\n");
    let lines = workspace.run(&[&predict[..], &["--file", "lines.txt"]].concat()).succeeded().objects();
    assert_eq!(lines, objects);
    workspace.write("texts.csv", "id,text\n7,will it rain today\n8,\n9,play this song\n");
    let rows = workspace.run(&[&predict[..], &["--file", "texts.csv"]].concat()).succeeded().objects();
    assert_eq!(rows.iter().map(|row| row["row"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(
        rows.iter().map(|row| &row["probabilities"]).collect::<Vec<_>>(),
        objects.iter().map(|o| &o["probabilities"]).collect::<Vec<_>>()
    );
    let files: Vec<_> = ADAPTER_FILES.iter().map(|name| (*name).to_owned()).zip(workspace.adapter("data-adapter")).collect();
    workspace.write("adapter.zip", Adapter::from_files(&files).unwrap().to_zip().unwrap());
    let zipped =
        workspace.run(&["predict", "adapter.zip", "--device", "cpu", "--json", "--file", "lines.txt"]).succeeded().objects();
    assert_eq!(zipped, objects);

    let shown = workspace.run(&["predict", "data-adapter", "--device", "cpu", "--file", "lines.txt"]).succeeded().stdout;
    let shown: Vec<_> = shown.lines().collect();
    let label = objects[0]["label"].as_str().unwrap();
    assert!(
        shown.len() == 3 && shown[0].starts_with(label) && shown[1] == "-" && shown[2].contains("play this song"),
        "{shown:?}"
    );
    workspace
        .run(&["predict", "data-adapter", "--file", "texts.csv", "--text-column", "body"])
        .failed(1, &["body", "`id`", "`text`"]);
}

#[test]
fn predict_answers_a_line_before_the_next_one_comes() {
    let workspace = Workspace::new();
    workspace.train(&[]).succeeded();
    let mut child = workspace.command(&["predict", "data-adapter", "--device", "cpu", "--json"]).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for text in ["play a song", "is it cold"] {
        writeln!(stdin, "{text}").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["text"], text);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn inspect_tells_adapters_from_data() {
    let workspace = Workspace::new();
    workspace.train(&["--head", "peft"]).succeeded();
    let adapter = workspace.run(&["inspect", "data-adapter", "--json"]).succeeded().objects().pop().unwrap();
    assert_eq!((&adapter["kind"], &adapter["labels"][1]), (&"adapter".into(), &"music".into()));
    assert_eq!((&adapter["prompt_parameters"], &adapter["head_parameters"]), (&(10 * 32).into(), &(3 * 32 + 3).into()));
    assert_eq!((&adapter["loads_in_peft"], &adapter["config"]["optim"]["steps"]), (&true.into(), &12.into()));
    let shown = workspace.run(&["inspect", "data-adapter"]).succeeded().stdout;
    assert!(
        shown.contains("10 virtual tokens") && shown.contains("food, music, weather") && shown.contains("accuracy"),
        "{shown}"
    );

    workspace.write("semi.csv", "Kategorie;Text\na;\"one; two\"\nb;three\na;four\nb;five\na;\nb;five\n");
    let data = workspace.run(&["inspect", "semi.csv", "--json"]).succeeded().objects().pop().unwrap();
    assert_eq!((&data["kind"], &data["separator"], &data["text_column"]), (&"data".into(), &";".into(), &"Text".into()));
    assert_eq!(
        (&data["report"]["usable"], &data["report"]["empty"], &data["report"]["duplicates"]),
        (&4.into(), &1.into(), &1.into())
    );
    let shown = workspace.run(&["inspect", "semi.csv"]).succeeded().stdout;
    assert!(shown.contains("separated by `;`") && shown.contains("one; two") && shown.contains("1 duplicate"), "{shown}");
}

#[test]
fn mistakes_are_explained() {
    let workspace = Workspace::new();
    let model = ["--model", TINY, "--device", "cpu"];
    let train = |more: &[&str]| workspace.run(&[&["train"], more, &model[..]].concat());
    train(&["missing.csv"]).failed(1, &["missing.csv", "no such file", "hint: "]);
    train(&["."]).failed(1, &["is a folder"]);
    train(&["data.csv", "--label-column", "topic"]).failed(1, &["data.csv", "topic", "`text`", "`label`"]);
    workspace.write("picture.csv", [0x89, b'P', b'N', b'G', 0, 1, 2, 3]);
    train(&["picture.csv"]).failed(1, &["picture.csv"]);
    workspace.write("one.csv", "text,label\na b,x\nc d,x\ne f,x\ng h,x\n");
    train(&["one.csv"]).failed(1, &["one.csv"]);
    workspace.write("held-bad.csv", "text,label\nplay a song,opera\n");
    train(&["data.csv", "--held-out", "held-bad.csv"]).failed(1, &["opera", "row 2"]);
    workspace.write("half/config.json", "{}");
    workspace.run(&["train", "data.csv", "--model", "half"]).failed(1, &["half", "tokenizer.json"]);
    workspace.run(&["train", "data.csv", "--model", "./none"]).failed(1, &["./none"]);
    workspace.run(&["train", "data.csv"]).failed(1, &["all-MiniLM-L6-v2", "downloads are turned off", "model fetch"]);
    workspace.run(&["predict", "half"]).failed(1, &["half", "adapter_config.json"]);
    workspace.run(&["predict", "data.csv"]).failed(1, &["data.csv", "zip"]);

    train(&["data.csv", "--prompt-length", "0"]).failed(2, &["--prompt-length: 0 is too small", "use 1 to 500"]);
    train(&["data.csv", "--prompt-lenght", "3"]).failed(2, &["--prompt-length"]);
    train(&["data.csv", "--steps", "5", "--epochs", "5"]).failed(2, &["--epochs"]);
    train(&["data.csv", "--schedule", "cubic"]).failed(2, &["cubic", "cosine"]);
    train(&["data.csv", "--init", "tokens"]).failed(2, &["tokens", "vocabulary"]);
    let usage = train(&["data.csv", "--json", "--nonsense"]);
    assert_eq!((usage.code, &usage.objects()[0]["code"]), (Some(2), &"usage".into()));
    assert_eq!(workspace.names(".").iter().filter(|name| name.contains("adapter")).count(), 0, "nothing was written");
}

#[test]
fn help_shows_the_defaults_of_the_config() {
    let workspace = Workspace::new();
    let help = workspace.run(&["train", "--help"]).succeeded().stdout;
    let config = RunConfig::default();
    let line = |flag: &str| help.split(flag).nth(1).unwrap().split("\n      --").next().unwrap().to_owned();
    assert!(line("--lr <RATE>").contains(&format!("[default: {}]", config.optim.prompt_lr)), "{help}");
    assert!(line("--prompt-length <P>").contains(&format!("[default: {}]", config.prompt.length)), "{help}");
    assert!(line("--schedule <").contains("[default: cosine]"), "{help}");
    assert!(workspace.run(&["--help"]).succeeded().stdout.contains("130"));
}

/// Reads a child's events until one has this name.
#[cfg(unix)]
fn wait_for(child: &mut Child, name: &str) -> BufReader<std::process::ChildStdout> {
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    loop {
        let mut line = String::new();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "it ended without {name}");
        if serde_json::from_str::<Value>(&line).unwrap()["event"] == name {
            return stdout;
        }
    }
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_the_best_so_far() {
    let workspace = Workspace::new();
    // Enough steps to be interrupted in, few enough to end by themselves where the program does not listen.
    let long = training(&["--steps", "2000", "--evaluations", "100", "--patience", "never", "--json"]);
    let mut child = workspace.command(&long).spawn().unwrap();
    let mut stdout = wait_for(&mut child, "eval");
    interrupt(&child);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let done: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
    assert_eq!((&done["event"], &done["stopped_early"]), (&"done".into(), &true.into()));
    assert_eq!(done["stopped_by_user"], true);
    let adapter = workspace.run(&["inspect", "data-adapter", "--json"]).succeeded().objects().pop().unwrap();
    let accuracy = |metrics: &Value| metrics["accuracy"].as_f64().unwrap();
    assert!((accuracy(&adapter["metrics"]) - accuracy(&done)).abs() < 1e-9, "{adapter} {done}");
    // And where it was, for --resume.
    assert_eq!(workspace.names("."), ["data-adapter", "data-adapter.checkpoint", "data.csv", "held.csv"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_everything_else_at_once() {
    let workspace = Workspace::new();
    workspace.train(&[]).succeeded();
    let mut child = workspace.command(&["predict", "data-adapter", "--device", "cpu", "--json"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "play a song").unwrap();
    // An answer shows that it is up and waits for more.
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// Files below a folder, however deep.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
