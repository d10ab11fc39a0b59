//! Tables of every kind, several of them, and what is said about them.

use super::{Workspace, csv, event, training};

/// The rows of a CSV from [`csv`] as JSON lines.
fn jsonl(csv: &str) -> String {
    let line = |row: &str| {
        let (text, label) = row.rsplit_once(',').unwrap();
        serde_json::json!({ "label": label, "text": text.trim_matches('"') }).to_string() + "\n"
    };
    csv.lines().skip(1).map(line).collect()
}

#[test]
fn several_files_train_as_one() {
    let workspace = Workspace::new();
    workspace.write("first.csv", csv(0..20));
    workspace.write("second.jsonl", jsonl(&csv(20..48)));
    let one = workspace.train(&["--out", "one"]).succeeded();
    let mut arguments = training(&["--out", "two", "--json"]);
    let at = arguments.iter().position(|argument| *argument == "data.csv").unwrap();
    arguments.splice(at..=at, ["first.csv", "second.jsonl"]);
    let two = workspace.run(&arguments).succeeded();
    // The rows are the same, so the adapter is.
    assert_eq!(workspace.adapter("one"), workspace.adapter("two"), "{}{}", one.stderr, two.stderr);
    let found = two.objects();
    let data = event(&found, "data")[0];
    assert_eq!((&data["file"], &data["rows"]), (&"first.csv, second.jsonl".into(), &48.into()));
    assert_eq!(data["advice"][0], "only 48 rows can be used: with fewer than 50, the metrics are not reliable");
    assert!(data["lengths"]["median"].as_u64().unwrap() > 3);

    workspace.write("other.csv", "id,text,label\n1,one and one,food\n2,two and two,music\n3,three and three,music\n");
    workspace.run(&["train", "data.csv", "other.csv"]).failed(1, &["other.csv", "data.csv", "`id`, `text`, `label`"]);
    workspace.write("bad.jsonl", "{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"b\", \"label\": NaN}\n");
    workspace.run(&["train", "data.csv", "bad.jsonl"]).failed(1, &["bad.jsonl", "row 2", "write null"]);
    assert_eq!(workspace.run(&["train"]).code, Some(2));
}

#[test]
fn every_kind_of_table_is_inspected() {
    let workspace = Workspace::new();
    workspace.write("tickets.xlsx", include_bytes!("../../files/tickets.xlsx"));
    let shown = workspace.run(&["inspect", "tickets.xlsx"]).succeeded().stdout;
    for words in
        ["43 rows (Excel workbook, with header)", "`Ticket text`", "`Queue`", "only the sheet `Tickets` is read", "advice: "]
    {
        assert!(shown.contains(words), "no {words:?} in {shown}");
    }
    workspace.write("rows.jsonl", jsonl(&csv(0..12)));
    let shown = workspace.run(&["inspect", "rows.jsonl"]).succeeded().stdout;
    assert!(shown.contains("12 rows (JSON Lines)") && shown.contains("text length: "), "{shown}");
    let data = workspace.run(&["inspect", "rows.jsonl", "--json"]).succeeded().objects().pop().unwrap();
    assert_eq!((&data["format"], &data["rows"]), (&"jsonl".into(), &12.into()));
}
