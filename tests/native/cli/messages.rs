//! What the program says besides its results: what the encoder cannot see, what is odd about its files, how far it is; and that
//! no text of a file makes the terminal do something.

use std::fs;

use serde_json::Value;

use super::{Outcome, TINY, Workspace, event};

/// Checks that a terminal would obey nothing of what was written.
#[track_caller]
fn only_text(outcome: &Outcome) {
    for written in [&outcome.stdout, &outcome.stderr] {
        let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!written.contains(obeyed), "{written:?}");
    }
}

/// Clears the screen, sets a title and turns the line round: as bytes of a terminal, as one character, and by Unicode.
const EVIL: &str = "red\u{1b}[2J\u{9b}31m\u{202e}";

/// Rows of two classes, one of which has a name that does harm.
fn evil_rows() -> String {
    // Few control characters among many letters: a file that is full of them is no table.
    let words = "and the bank did not find it this week so please help me with my account today ".repeat(3);
    let row = |i: usize| format!("the card {i} was {EVIL} lost {words},{}\n", if i.is_multiple_of(2) { "good" } else { EVIL });
    std::iter::once("text,label\n".to_owned()).chain((0..40).map(row)).collect()
}

#[test]
fn nothing_that_a_file_says_reaches_the_terminal_as_a_command() {
    let workspace = Workspace::new();
    workspace.write("evil.csv", evil_rows());
    let data = ["evil.csv", "--text-column", "text", "--label-column", "label"];
    let inspected = workspace.run(&[&["inspect"], &data[..]].concat()).succeeded();
    only_text(&inspected);
    assert!(inspected.stdout.contains("red"), "{}", inspected.stdout);
    let train = [&["train"], &data[..], &["--model", TINY, "--device", "cpu", "--steps", "2", "--out", "adapter"]].concat();
    only_text(&workspace.run(&train).succeeded());
    only_text(&workspace.run(&["inspect", "adapter"]).succeeded());
    let predicted =
        workspace.run(&["predict", "adapter", "--model", TINY, "--device", "cpu", "--file", "evil.csv", "--text-column", "text"]);
    only_text(&predicted.succeeded());
    // A label that the adapter does not know stands in the error.
    workspace.write("other.csv", "text,label\nthe card,good\nthe bank,\u{1b}[31munknown\u{9b}\n".repeat(2));
    let eval = ["eval", "adapter", "other.csv", "--model", TINY, "--device", "cpu"];
    let refused = workspace.run(&eval);
    refused.failed(1, &["does not know the label", "unknown"]);
    only_text(&refused);

    // JSON says the same, and a terminal that shows it obeys nothing either.
    let json = workspace.run(&[&["inspect"], &data[..], &["--json"]].concat()).succeeded();
    only_text(&json);
    let found = json.objects().pop().unwrap();
    assert!(found["preview"][1][0].as_str().unwrap().contains(EVIL), "{found}");
}

#[test]
fn nor_do_names_and_answers_in_errors() {
    let workspace = Workspace::new();
    let missing = workspace.run(&["inspect", "no\u{1b}[31m\u{9b}such.csv"]);
    missing.failed(1, &["no such file"]);
    only_text(&missing);
    only_text(&workspace.run(&["nonsense\u{1b}[31m"]));
    for (name, bytes) in [("tokenizer.json", fs::read(format!("{TINY}/tokenizer.json")).unwrap()), ("model.safetensors", vec![1])]
    {
        workspace.write(&format!("encoder/{name}"), bytes);
    }
    let config = fs::read_to_string(format!("{TINY}/config.json")).unwrap().replace("\"bert\"", "\"evil\u{9b}31m\u{202e}\"");
    workspace.write("encoder/config.json", config);
    let refused = workspace.run(&["train", "data.csv", "--model", "encoder"]);
    refused.failed(1, &["encoder: config.json", "evil", "hint: "]);
    only_text(&refused);
}

#[test]
fn what_the_encoder_cannot_see_is_said_before_training() {
    let workspace = Workspace::new();
    let words = ["መጥፎ", "ትንሽ", "ቤት", "ውሃ", "ቀይ"];
    let row = |i: usize| format!("{} {} {},{}\n", words[i % 5], words[i / 5 % 5], "card ".repeat(i), ["a", "b"][i % 2]);
    workspace.write("amharic.csv", std::iter::once("text,label\n".to_owned()).chain((0..30).map(row)).collect::<String>());
    let said = ["tokens are unknown to the encoder", "Ethiopic script", "intfloat/multilingual-e5-small"];
    let heard = |written: &str| said.iter().all(|words| written.contains(words));

    let train = ["train", "amharic.csv", "--model", TINY, "--device", "cpu", "--steps", "2"];
    let people = workspace.run(&train).succeeded();
    let (note, step) = (people.stderr.find("unknown to the encoder"), people.stderr.find("step 2: "));
    assert!(heard(&people.stderr) && note < step, "{}", people.stderr);
    let objects = workspace.run(&[&train[..], &["--json", "--out", "other"]].concat()).succeeded().objects();
    let warning = objects.iter().position(|object| object["event"] == "warning").unwrap();
    let step = objects.iter().position(|object| object["event"] == "step").unwrap();
    assert!(warning < step && heard(objects[warning]["message"].as_str().unwrap()), "{objects:?}");

    let with = ["--model", TINY, "--device", "cpu"];
    assert!(heard(&workspace.run(&[&["eval", "amharic-adapter", "amharic.csv"], &with[..]].concat()).succeeded().stderr));
    assert!(heard(
        &workspace.run(&[&["predict", "amharic-adapter", "--file", "amharic.csv"], &with[..]].concat()).succeeded().stderr
    ));
    assert!(heard(&workspace.run(&["inspect", "amharic.csv", "--model", TINY]).succeeded().stdout));
    let json = workspace.run(&["inspect", "amharic.csv", "--model", TINY, "--json"]).succeeded().objects().pop().unwrap();
    assert!(heard(json["encoder_notes"][0].as_str().unwrap()), "{json}");
    // Without an encoder nothing is known, and of texts that are seen nothing is said.
    assert!(!heard(&workspace.run(&["inspect", "amharic.csv"]).succeeded().stdout));
    let json = workspace.run(&["inspect", "data.csv", "--model", TINY, "--json"]).succeeded().objects().pop().unwrap();
    assert_eq!(json["encoder_notes"], Value::Array(Vec::new()));
}

#[test]
fn a_text_of_invisible_characters_gets_no_label() {
    let workspace = Workspace::new();
    workspace.train(&[]).succeeded();
    let predict = ["predict", "data-adapter", "--model", TINY, "--device", "cpu", "--json"];
    let objects = workspace.run_with(&predict, "play a song\n\u{200b}\u{ad}\n\u{feff}\nwill it rain\n").succeeded().objects();
    let labelled: Vec<bool> = objects.iter().map(|object| object["label"].is_string()).collect();
    assert_eq!(labelled, [true, false, false, true], "{objects:?}");
}

#[test]
fn what_is_odd_about_an_encoders_folder_is_said() {
    let workspace = Workspace::new();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        workspace.write(&format!("odd/{name}"), fs::read(format!("{TINY}/{name}")).unwrap());
    }
    let config = fs::read_to_string(format!("{TINY}/config.json")).unwrap().replace("\"model_type\"", "\"no_type\"");
    workspace.write("odd/config.json", config);
    workspace.write("odd/tokenizer_config.json", r#"{"do_lower_case": false}"#);
    let train = ["train", "data.csv", "--model", "odd", "--device", "cpu", "--steps", "2"];
    let people = workspace.run(&train).succeeded();
    for words in ["note: odd: config.json has no \"model_type\"", "note: odd: tokenizer_config.json says do_lower_case false"] {
        assert!(people.stderr.contains(words), "no {words:?} in {}", people.stderr);
    }
    let json = workspace.run(&[&train[..], &["--json", "--out", "other"]].concat()).succeeded();
    assert_eq!(event(&json.objects(), "warning").len(), 2);
    // Wherever it lies, the error says in which folder.
    fs::remove_file(workspace.path("odd/model.safetensors")).unwrap();
    workspace.write("odd/pytorch_model.bin", "PK");
    workspace.run(&train).failed(1, &["odd: there is no model.safetensors, only pytorch_model.bin", "save_pretrained"]);
    workspace.run(&["train", "data.csv", "--model", "."]).failed(1, &[".: odd: there is no model.safetensors"]);
}

#[test]
fn a_long_evaluation_says_how_far_it_is() {
    let mut workspace = Workspace::new();
    let row = |i: usize| format!("{} {},{}\n", ["card", "bank", "song"][i % 3], "a".repeat(i % 90) + &"e ".repeat(i / 90), i % 3);
    let rows = |rows: std::ops::Range<usize>| std::iter::once("text,label\n".to_owned()).chain(rows.map(row)).collect::<String>();
    workspace.write("many.csv", rows(0..60));
    workspace.write("held.csv", rows(90..700));
    let train = ["train", "many.csv", "--held-out", "held.csv", "--model", TINY, "--device", "cpu", "--steps", "2"];
    let quiet = workspace.run(&train).succeeded();
    workspace.environment.push(("SOFTPROMPT_PROGRESS_SECONDS", "0".into()));
    let loud = workspace.run(&[&train[..], &["--out", "other"]].concat()).succeeded();
    for words in ["256 of 610 held-out texts evaluated, ", "512 of 610 held-out texts evaluated, ", "step 2 of 2 | loss "] {
        assert!(loud.stderr.contains(words), "no {words:?} in {}", loud.stderr);
    }
    assert_eq!(quiet.stdout.lines().count(), loud.stdout.lines().count());
}

#[test]
fn a_result_like_the_majority_class_is_called_that() {
    let workspace = Workspace::new();
    // The texts say nothing of the labels.
    let row = |i: usize| format!("\"the card {}, please\",{}\n", "e".repeat(i + 1), ["a", "a", "b"][i * 7 % 3]);
    workspace.write("noise.csv", std::iter::once("text,label\n".to_owned()).chain((0..60).map(row)).collect::<String>());
    let train = ["train", "noise.csv", "--model", TINY, "--device", "cpu", "--steps", "1"];
    let outcome = workspace.run(&train).succeeded();
    assert!(outcome.stdout.contains("no better than always predicting"), "{}", outcome.stdout);
}
