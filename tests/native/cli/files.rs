//! Files as people have them: texts alone, labels in another notation, a split column.

use super::{Workspace, csv, event};

/// The texts of a line of `--json` output, and that each has a label.
fn texts(workspace: &Workspace, file: &str) -> Vec<String> {
    let objects = workspace.run(&["predict", "data-adapter", "--device", "cpu", "--json", "--file", file]).succeeded().objects();
    assert!(objects.iter().all(|object| object["label"].is_string()), "{file}: {objects:?}");
    objects.iter().map(|object| object["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn predict_reads_what_train_reads() {
    let workspace = Workspace::new();
    workspace.train(&[]).succeeded();
    let wanted = ["will it rain, today", "play this song in the café"];
    let plain = format!("{}\n{}\n", wanted[0], wanted[1]);
    let utf16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cp1252: Vec<u8> = plain.chars().map(|letter| if letter == 'é' { 0xE9 } else { letter as u8 }).collect();
    let files: [(&str, Vec<u8>); 9] = [
        ("one.csv", format!("text\n\"{}\"\n\"{}\"\n", wanted[0], wanted[1]).into()),
        ("one.tsv", format!("text\n{plain}").into()),
        ("one.jsonl", format!("{{\"text\": \"{}\"}}\n{{\"text\": \"{}\"}}\n", wanted[0], wanted[1]).into()),
        ("one.json", format!("[\"{}\", \"{}\"]", wanted[0], wanted[1]).into()),
        ("utf16.txt", utf16),
        ("cp1252.txt", cp1252),
        ("cr.txt", plain.replace('\n', "\r").into()),
        ("crlf.txt", plain.replace('\n', "\r\n").into()),
        ("table.txt", format!("text\tlabel\n{}\tx\n{}\tx\n", wanted[0], wanted[1]).into()),
    ];
    for (name, bytes) in files {
        workspace.write(name, bytes);
        assert_eq!(texts(&workspace, name), wanted, "{name}");
    }
    // The column has another name than in training: it is said which one is read.
    workspace.write("other.csv", "nr,ticket_body,team\n1,will it rain,a\n2,is it cold,b\n3,play a song,a\n4,what a day,b\n");
    let other = workspace.run(&["predict", "data-adapter", "--device", "cpu", "--file", "other.csv"]).succeeded();
    assert!(other.stdout.contains("is it cold"), "{}", other.stdout);
    workspace.write("binary.txt", b"a\0b\n");
    workspace
        .run(&["predict", "data-adapter", "--device", "cpu", "--file", "binary.txt"])
        .failed(1, &["binary.txt", "NUL bytes"]);
}

#[test]
fn eval_follows_the_labels_of_the_adapter() {
    let workspace = Workspace::new();
    workspace.train(&[]).succeeded();
    let held = csv(48..60);
    let eval = |file: &str, more: &[&str]| {
        let mut arguments = vec!["eval", "data-adapter", file, "--device", "cpu", "--json"];
        arguments.extend(more);
        workspace.run(&arguments)
    };
    let accuracy = |file: &str, more: &[&str]| eval(file, more).succeeded().objects()[0]["accuracy"].clone();
    workspace.write("invisible.csv", held.replace(",music", ",music\u{200b}"));
    assert_eq!(accuracy("invisible.csv", &[]), accuracy("held.csv", &[]));
    workspace.write("case.csv", held.replace(",music", ",Music").replace(",food", ",FOOD"));
    eval("case.csv", &[]).failed(1, &["does not know the label `Music`", "--merge-labels treats it as `music`"]);
    assert_eq!(accuracy("case.csv", &["--merge-labels"]), accuracy("held.csv", &[]));
    // Only the held-out rows of a file with a split are measured.
    let mut rows = held.lines().zip(std::iter::once("split").chain((0..12).map(|i| if i < 9 { "train" } else { "test" })));
    let split: String = rows.by_ref().map(|(row, part)| format!("{row},{part}\n")).collect();
    workspace.write("split.csv", split);
    assert_eq!(eval("split.csv", &[]).succeeded().objects()[0]["rows"], 3);
    let measured = workspace.run(&["eval", "data-adapter", "split.csv", "--device", "cpu"]).succeeded();
    assert!(
        measured.stdout.contains("3 texts") && measured.stderr.contains("only its 3 held-out rows are measured"),
        "{}",
        measured.stderr
    );
    assert_eq!(eval("split.csv", &["--split-column", "none"]).succeeded().objects()[0]["rows"], 12);
    eval("split.csv", &["--split-column", "label"]).failed(1, &["split.csv", "label"]);
}

#[test]
fn train_uses_a_split_column_and_merges_labels() {
    let workspace = Workspace::new();
    let data = csv(0..48);
    let part = |i: usize| if i.is_multiple_of(4) { "test" } else { "train" };
    let mut split = String::new();
    for (i, row) in data.lines().enumerate() {
        let row = if i % 2 == 0 { row.replace(",music", ",Music") } else { row.to_owned() };
        split.push_str(&format!("{row},{}\n", if i == 0 { "split" } else { part(i - 1) }));
    }
    workspace.write("data.csv", split);
    let apart = workspace.train(&["--json"]).succeeded().objects();
    let report = event(&apart, "data")[0];
    assert_eq!((report["usable"].as_u64(), report["similar_labels"][0]["merged"].as_bool()), (Some(48), Some(false)));
    assert_eq!(event(&apart, "started")[0]["held_out_rows"], 12);
    let merged =
        workspace.train(&["--json", "--merge-labels", "--split-column", "none", "--out", "merged"]).succeeded().objects();
    assert_eq!(event(&merged, "data")[0]["classes"].as_array().map(Vec::len), Some(3));
    assert_eq!(event(&merged, "started")[0]["held_out_rows"], 9);
    // `inspect` reads the file as `train` does.
    let inspect =
        |flags: &[&str]| workspace.run(&[&["inspect", "data.csv", "--json"], flags].concat()).succeeded().objects().remove(0);
    let (plain, joined) = (inspect(&[]), inspect(&["--merge-labels", "--split-column", "none"]));
    let found = |report: &serde_json::Value| {
        let notes = report["report"]["notes"].to_string();
        (report["report"]["classes"].as_array().map(Vec::len), notes.contains("column `split`"))
    };
    assert_eq!((found(&plain), found(&joined)), ((Some(4), true), (Some(3), false)), "{plain} {joined}");
    workspace.train(&["--split-column", "label"]).failed(1, &["cannot be the text column or the label column"]);
}

#[test]
fn a_result_that_is_no_better_than_one_class_is_called_that() {
    let workspace = Workspace::new();
    let rows = csv(0..48).replace(",weather", ",a").replace(",music", ",a").replace(",food", ",a").replacen(",a\n", ",b\n", 2);
    workspace.write("data.csv", rows);
    // So small a step leaves all answers at the first class.
    let shown = workspace.train(&["--lr", "1e-9", "--head-lr", "1e-9"]).succeeded().stdout;
    assert!(shown.contains("no better than always predicting"), "{shown}");
    let learned = Workspace::new().train(&["--steps", "60"]).succeeded().stdout;
    assert!(!learned.contains("no better than always predicting"), "{learned}");
}

#[test]
fn a_report_replaces_no_other_file() {
    let workspace = Workspace::new();
    workspace.write("data.csv", csv(0..48));
    let data = std::fs::read(workspace.path("data.csv")).unwrap();
    workspace.train(&["--report", "data.csv"]).failed(1, &["data.csv", "exists and is not a report", "report.html"]);
    assert_eq!(std::fs::read(workspace.path("data.csv")).unwrap(), data);
    workspace
        .train(&["--out", "a", "--report", "a/softprompt.json"])
        .failed(1, &["softprompt.json", "is a file of the adapter, not a report"]);
    workspace.train(&["--out", "a/", "--report", "a"]).failed(1, &["is the folder of the adapter", "report.html"]);
    assert!(!workspace.path("a").exists(), "nothing was trained");
    // A large file is not read to see what it is.
    workspace.write("large.bin", vec![b' '; 300]);
    workspace.train(&["--report", "large.bin"]).failed(1, &["large.bin", "exists and is not a report"]);
    workspace.train(&["--report", "report.html"]).succeeded();
    workspace.train(&["--report", "report.html"]).succeeded();
}
