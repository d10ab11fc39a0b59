//! Notations that are no CSV: read where that is certain, refused by name where it is not.

use softprompt::config::DataConfig;
use softprompt::data::dataset::{ColumnChoice, DataReport};
use softprompt::data::table::{Format, Table};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::table;
use crate::formats::refused;
use crate::readings::{ROWS, assert_note, assert_rows, file};

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// The rows as JSON objects.
fn objects() -> Vec<String> {
    ROWS.iter().map(|(text, label)| format!("{{\"text\": {}, \"label\": {}}}", json(text), json(label))).collect()
}

fn pairs() -> Vec<String> {
    ROWS.iter().map(|(text, label)| format!("[{}, {}]", json(text), json(label))).collect()
}

fn texts(member: usize) -> Vec<String> {
    ROWS.iter().map(|(text, label)| json([text, label][member])).collect()
}

fn same(text: &str) -> String {
    text.to_owned()
}

/// The classes with their sizes, of the columns that are found.
#[track_caller]
fn classes(found: &Table) -> Vec<(String, usize)> {
    let columns = ColumnChoice::guess(found, &DataConfig::default()).unwrap();
    DataReport::new(found, columns).classes.into_iter().map(|class| (class.name, class.count)).collect()
}

fn three() -> Vec<(String, usize)> {
    ["billing", "delivery", "login"].map(|label| (label.to_owned(), 3)).to_vec()
}

#[wasm_bindgen_test(unsupported = test)]
fn rows_inside_of_an_object_are_found() {
    let rows = objects().join(", ");
    let pretty = rows.replace("}, {", "},\n  {");
    for (what, text, note) in [
        ("data", format!("{{\"data\": [{rows}]}}"), Some("the rows are read from `data`")),
        (
            "pretty",
            format!("{{\n \"version\": \"1\",\n \"data\": [\n  {pretty}\n ]\n}}\n"),
            Some("the rows are read from `data`"),
        ),
        ("two lines", format!("{{\"examples\": [\n{rows}\n]}}"), Some("the rows are read from `examples`")),
        (
            "rasa",
            format!("{{\"rasa_nlu_data\": {{\"common_examples\": [{rows}], \"regex_features\": []}}}}"),
            Some("`common_examples`"),
        ),
        (
            "LUIS",
            format!("{{\"name\": \"a\", \"intents\": [{{\"name\": \"x\"}}, {{\"name\": \"y\"}}], \"utterances\": [{rows}]}}"),
            Some("`utterances`"),
        ),
        (
            "Elasticsearch",
            format!(
                "{{\"took\": 1, \"hits\": {{\"hits\": [{}]}}}}",
                objects().iter().map(|row| format!("{{\"_id\": 1, \"_source\": {row}}}")).collect::<Vec<_>>().join(", ")
            ),
            Some("`hits`"),
        ),
        ("deep", format!("{{\"a\": {{\"b\": {{\"c\": [{rows}]}}}}}}"), Some("`c`")),
    ] {
        let found = table(&text);
        assert_rows(&found, [0, 1], same, 1, what);
        assert_eq!(found.columns, ["text", "label"], "{what}");
        assert_note(&found, note.unwrap(), what);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_pandas_writes_is_read_in_every_orientation() {
    let numbered = |values: Vec<String>| {
        values.iter().enumerate().map(|(at, value)| format!("\"{at}\": {value}")).collect::<Vec<_>>().join(", ")
    };
    let index = (0..9).map(|at| at.to_string()).collect::<Vec<_>>().join(", ");
    let with_index = objects()
        .iter()
        .enumerate()
        .map(|(at, row)| row.replacen('{', &format!("{{\"index\": {at}, "), 1))
        .collect::<Vec<_>>()
        .join(", ");
    for (what, text) in [
        ("records", format!("[{}]", objects().join(", "))),
        ("lines", objects().join("\n")),
        ("columns", format!("{{\"text\": {{{}}}, \"label\": {{{}}}}}", numbered(texts(0)), numbered(texts(1)))),
        ("index", format!("{{{}}}", numbered(objects()))),
        ("index of names", format!("{{{}}}", numbered(objects()).replace("\"0\":", "\"a0\":").replace("\"8\":", "\"a8\":"))),
        ("split", format!("{{\"columns\": [\"text\", \"label\"], \"index\": [{index}], \"data\": [{}]}}", pairs().join(", "))),
        ("dict of lists", format!("{{\"text\": [{}], \"label\": [{}]}}", texts(0).join(", "), texts(1).join(", "))),
        (
            "dict of lists, pretty",
            format!("{{\n \"text\": [\n{}\n ],\n \"label\": [{}]\n}}", texts(0).join(",\n"), texts(1).join(", ")),
        ),
    ] {
        let found = table(&text);
        assert_rows(&found, [0, 1], same, 1, what);
        assert_eq!((found.columns.join("+"), found.notes.len()), ("text+label".into(), 0), "{what}: {:?}", found.notes);
    }
    let schema = "{\"fields\": [{\"name\": \"index\", \"type\": \"integer\"}, {\"name\": \"text\", \"type\": \"string\"}], \"primaryKey\": [\"index\"]}";
    assert_rows(&table(format!("{{\"schema\": {schema}, \"data\": [{with_index}]}}")), [1, 2], same, 1, "table");
    // More than nine rows: in the order of the file, and not of their numbers as words.
    let many: Vec<String> = (0..24).map(|at| format!("\"{at}\": \"text of {at}\"")).collect();
    let labels: Vec<String> = (0..24).map(|at| format!("\"{at}\": \"{}\"", ["x", "y"][at % 2])).collect();
    let found = table(format!("{{\"text\": {{{}}}, \"label\": {{{}}}}}", many.join(","), labels.join(",")));
    assert_eq!(
        found.rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(),
        (0..24).map(|at| format!("text of {at}")).collect::<Vec<_>>()
    );
    let (problem, hint, _) = refused("{\"text\": [\"a\", \"b\", \"c\"], \"label\": [\"x\", \"y\"]}");
    assert!(problem.contains("different lengths: `text` 3, `label` 2") && hint.contains("orient"), "{problem} ({hint})");
}

#[wasm_bindgen_test(unsupported = test)]
fn lists_are_rows() {
    for (what, text, first) in [
        ("a list of lists", format!("[{}]", pairs().join(", ")), 1),
        ("pretty", format!("[\n {}\n]\n", pairs().join(",\n ").replace("\", \"", "\",\n  \"")), 1),
        ("a list a line", pairs().join("\n"), 1),
        ("with commas", pairs().join(",\n"), 1),
        ("with names", format!("[\"text\", \"label\"]\n{}", pairs().join("\n")), 2),
        ("names in a list", format!("[[\"text\", \"label\"], {}]", pairs().join(", ")), 2),
    ] {
        let found = table(&text);
        assert_rows(&found, [0, 1], same, first, what);
        assert_eq!(found.has_header, first == 2, "{what}");
    }
    let tuples: Vec<String> = ROWS
        .iter()
        .map(|(text, label)| {
            format!(
                "[{}, {{\"cats\": {{\"billing\": {}, \"login\": {}, \"delivery\": {}}}}}]",
                json(text),
                i32::from(*label == "billing"),
                i32::from(*label == "login"),
                i32::from(*label == "delivery")
            )
        })
        .collect();
    for text in [format!("[{}]", tuples.join(", ")), tuples.join("\n")] {
        let found = table(&text);
        assert_eq!(found.columns, ["text", "cats"]);
        assert_eq!(classes(&found), three());
    }
    // What only begins like a list is a text.
    let found = table("[deleted] by the author,x\n[sic] as it was,y\n[deleted] once more,x\n");
    assert_eq!(found.rows[0], ["[deleted] by the author", "x"]);
    let found = table("text,label\n\"[\"\"a\"\"] is a list\",x\nno list,y\nnone either,x\n");
    assert_eq!(found.rows[0][0], "[\"a\"] is a list");
}

#[wasm_bindgen_test(unsupported = test)]
fn parts_of_a_data_set_are_put_under_one_another() {
    let (train, test) = (objects()[..6].join(", "), objects()[6..].join(", "));
    let columns = |from: usize, to: usize| {
        format!("{{\"text\": [{}], \"label\": [{}]}}", texts(0)[from..to].join(", "), texts(1)[from..to].join(", "))
    };
    for (what, text, place) in [
        ("lists of objects", format!("{{\"train\": [{train}], \"test\": [{test}]}}"), 2),
        ("columns", format!("{{\"train\": {}, \"test\": {}}}", columns(0, 6), columns(6, 9)), 2),
        ("lists of lists", format!("{{\"train\": [{}], \"test\": [{}]}}", pairs()[..6].join(", "), pairs()[6..].join(", ")), 2),
        ("other members", format!("{{\"version\": 2, \"train\": [{train}], \"test\": [{test}]}}"), 2),
    ] {
        let found = table(&text);
        assert_rows(&found, [0, 1], same, 1, what);
        assert_eq!(found.columns[place], "split", "{what}");
        let parts: Vec<&str> = found.rows.iter().map(|row| row[place].as_str()).collect();
        assert_eq!(parts, ["train", "train", "train", "train", "train", "train", "test", "test", "test"], "{what}");
        assert_note(&found, "the rows of `train`, `test` are combined", what);
    }
    // Lists under their labels.
    let of = |label: &str| ROWS.iter().filter(|row| row.1 == label).map(|row| json(row.0)).collect::<Vec<_>>().join(", ");
    let found =
        table(format!("{{\"billing\": [{}], \"delivery\": [{}], \"login\": [{}]}}", of("billing"), of("delivery"), of("login")));
    assert_eq!((found.columns.join("+"), classes(&found)), ("text+label".into(), three()));
    assert_note(&found, "`billing`, `delivery`, `login`, are used as labels", "by label");
    let more: Vec<String> = ROWS
        .iter()
        .chain(&ROWS)
        .enumerate()
        .map(|(at, (text, label))| format!("{}: {}", json(&format!("{text} {at}")), json(label)))
        .collect();
    let found = table(format!("{{{}}}", more.join(", ")));
    assert_eq!((found.columns.join("+"), found.rows.len()), ("text+label".into(), 18));
}

#[wasm_bindgen_test(unsupported = test)]
fn objects_in_any_arrangement_are_rows() {
    let rows = objects();
    for (what, text, note) in [
        ("commas behind them", rows.join(",\n"), Some("the commas after the objects")),
        ("one behind the other", rows.join(""), None),
        ("over several lines", rows.join("\n").replace(", \"label\"", ",\n  \"label\""), None),
        ("blanks in the braces", rows.join("\n").replace('{', "{ "), None),
        ("a comma at the end", format!("[{},\n]", rows.join(",\n")), Some("the comma after the last value")),
    ] {
        let found = table(&text);
        let texts: Vec<&str> = found.rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(texts, ROWS.map(|row| row.0), "{what}");
        assert!(found.row_numbers.is_sorted_by(|a, b| a < b));
        assert_eq!(found.notes.len(), usize::from(note.is_some()), "{what}: {:?}", found.notes);
        assert!(note.is_none_or(|note| found.notes[0].contains(note)), "{what}: {:?}", found.notes);
    }
    let line = table("{\"text\": \"so it is\", \"label\": \"x\", \"entities\": [{\"name\": \"a\"}, {\"name\": \"b\"}]}\n");
    assert_eq!((line.rows.len(), line.rows[0][0].as_str()), (1, "so it is"));
    let found = table(rows.join("\n").replace(", \"label\"", ",\n  \"label\""));
    assert_eq!(found.row_numbers[..3], [1, 3, 5], "the lines on which they begin");
    // An object that is broken is refused with its row, wherever it is.
    assert_eq!(refused(format!("{}\n{{\"text\": \"a\", \"label\": }}", rows.join("\n"))).2, Some(10));
    let (problem, hint, _) = refused("{\"a\": {\"b\": [1, 2, 3]}, \"c\": {\"d\": \"e\"}}");
    assert!(
        problem.contains("one object with the keys `a`, `c`; its rows cannot be identified")
            && hint.contains("orient=\"records\""),
        "{problem} ({hint})"
    );
    assert!(refused("{\"cells\": [], \"nbformat\": 4}").0.contains("Jupyter notebook"));
}

#[wasm_bindgen_test(unsupported = test)]
fn half_an_emoji_is_replaced_and_counted() {
    let row = |text: &str| format!("{{\"text\": \"{text}\", \"label\": \"x\"}}");
    let rows = [
        row("\\ud83d cold fries"),
        row("fine \\ud83d\\udc4d"),
        row("sad \\udc4d"),
        row("\\ud83d\\ud83d\\udc4d"),
        row("so \\\\ud83d"),
        row("end \\ud83d\\u0041"),
    ];
    let wanted = ["\u{FFFD} cold fries", "fine 👍", "sad \u{FFFD}", "\u{FFFD}👍", "so \\ud83d", "end \u{FFFD}A"];
    for (text, format) in [(rows.join("\n"), Format::Jsonl), (format!("[{}]", rows.join(",\n")), Format::Json)] {
        let found = table(&text);
        assert_eq!((found.format, found.rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>()), (format, wanted.to_vec()));
        assert_note(&found, "4 rows (1, 3, 4, 6) have half an emoji", "halves");
    }
    let whole = table(format!("{}\n{}\n", row("a \\ud83d\\udc4d"), row("\u{FFFD} of the file's own")));
    assert_eq!(whole.notes, [""; 0]);
    assert!(refused("{\"text\": \"a \\ud8\", \"label\": \"x\"}\n{\"text\": \"b\", \"label\": \"y\"}\n").0.contains("escape"));
}

#[wasm_bindgen_test(unsupported = test)]
fn exports_of_annotation_tools_are_read() {
    let task = |at: usize, text: &str, labels: &[&str]| {
        let results: Vec<String> = labels.iter().map(|label| format!("{{\"value\": {{\"choices\": [{}]}}, \"from_name\": \"topic\", \"to_name\": \"text\", \"type\": \"choices\"}}", json(label))).collect();
        let annotations: Vec<String> = results
            .iter()
            .map(|result| format!("{{\"id\": 7, \"completed_by\": 1, \"was_cancelled\": false, \"result\": [{result}]}}"))
            .collect();
        format!(
            "{{\"id\": {at}, \"annotations\": [{}], \"predictions\": [], \"data\": {{\"text\": {}, \"n\": {at}}}, \"updated_by\": {}}}",
            annotations.join(", "),
            json(text),
            at % 2 + 1
        )
    };
    let tasks: Vec<String> = ROWS.iter().enumerate().map(|(at, (text, label))| task(at, text, &[label])).collect();
    let found = table(format!("[{}]", tasks.join(", ")));
    assert_eq!(found.columns, ["text", "n", "topic"]);
    assert_rows(&found, [0, 2], same, 1, "Label Studio");
    assert_note(&found, "this is a Label Studio export", "Label Studio");
    // Annotations that differ are no label; none is none.
    let mut odd = tasks.clone();
    odd[1] = task(1, "which of them", &["billing", "login"]);
    odd[2] = task(2, "both say so", &["login", "login"]);
    odd[3] = task(3, "nobody has looked", &[]);
    let found = table(format!("[{}]", odd.join(", ")));
    assert_eq!(found.rows[1..4].iter().map(|row| row[2].as_str()).collect::<Vec<_>>(), ["", "login", ""]);
    assert!(found.notes.iter().any(|note| note.starts_with("1 row (2) with contradictory annotations")), "{:?}", found.notes);
    let spans = tasks.join(", ").replace("choices", "labels");
    let (problem, hint, _) = refused(format!("[{spans}]"));
    assert!(problem.contains("no choices") && hint.contains("Choices"), "{problem} ({hint})");

    let least: Vec<String> = ROWS.iter().enumerate().map(|(at, (text, label))| format!("{{\"text\": {}, \"id\": {at}, \"which_team\": {}, \"annotator\": {}, \"annotation_id\": {}, \"created_at\": \"2024-05-03T10:00:00Z\", \"updated_at\": \"2024-05-03T11:00:00Z\", \"lead_time\": 2.5}}", json(text), json(label), at % 2, at + 9)).collect();
    let found = table(format!("[{}]", least.join(", ")));
    assert_eq!((found.columns.join("+"), classes(&found)), ("text+id+which_team".into(), three()));
    assert_note(
        &found,
        "its columns `annotator`, `annotation_id`, `created_at`, `updated_at`, `lead_time` are left out",
        "JSON-MIN",
    );

    let prodigy = |label: &dyn Fn(usize) -> String, answer: &dyn Fn(usize) -> &'static str| {
        let row = |(at, (text, _)): (usize, &(&str, &str))| {
            format!(
                "{{\"text\": {}, \"_input_hash\": {at}, \"_task_hash\": {at}, {}, \"answer\": \"{}\", \"_timestamp\": 17}}\n",
                json(text),
                label(at),
                answer(at)
            )
        };
        table(ROWS.iter().enumerate().map(row).collect::<String>())
    };
    let binary = prodigy(&|_| "\"label\": \"GOOD\"".into(), &|at| ["accept", "reject", "ignore"][at % 3]);
    assert_eq!(binary.columns, ["text", "label"]);
    assert_eq!(
        (binary.rows.len(), binary.rows[0][1].as_str(), binary.rows[1][1].as_str(), binary.row_numbers[2]),
        (6, "GOOD", "not GOOD", 4)
    );
    assert_eq!(binary.notes.len(), 2, "{:?}", binary.notes);
    assert!(
        binary.notes[0].contains("3 rejected examples get the label `not GOOD`")
            && binary.notes[1].starts_with("3 rows (3, 6, 9) are rejected or ignored"),
        "{:?}",
        binary.notes
    );
    let several = prodigy(&|at| format!("\"label\": {}", json(ROWS[at].1)), &|at| if at == 4 { "reject" } else { "accept" });
    assert_eq!((several.rows.len(), several.rows[4][1].as_str()), (8, "login"));
    let choices = prodigy(&|at| format!("\"options\": [{{\"id\": \"a\"}}], \"accept\": [{}]", json(ROWS[at].1)), &|_| "accept");
    assert_eq!((choices.columns.join("+"), classes(&choices)), ("text+label".into(), three()));

    let viewer: Vec<String> = ROWS
        .iter()
        .enumerate()
        .map(|(at, (text, label))| {
            format!(
                "{{\"row_idx\": {at}, \"row\": {{\"text\": {}, \"label\": {}}}, \"truncated_cells\": []}}",
                json(text),
                ["billing", "delivery", "login"].iter().position(|other| other == label).unwrap()
            )
        })
        .collect();
    let features = "[{\"feature_idx\": 0, \"name\": \"text\", \"type\": {\"dtype\": \"string\", \"_type\": \"Value\"}}, {\"feature_idx\": 1, \"name\": \"label\", \"type\": {\"names\": [\"billing\", \"delivery\", \"login\"], \"_type\": \"ClassLabel\"}}]";
    let found = table(format!("{{\"features\": {features}, \"rows\": [{}], \"num_rows_total\": 5000}}", viewer.join(", ")));
    assert_rows(&found, [0, 1], same, 1, "viewer");
    assert_note(&found, "with 9 of the 5000 rows of the data", "viewer");
}

#[wasm_bindgen_test(unsupported = test)]
fn lists_of_texts_in_an_object_are_rows() {
    let of = |label: &str, text: &dyn Fn(&str) -> String| -> String {
        ROWS.iter().filter(|row| row.1 == label).map(|row| text(row.0)).collect::<Vec<_>>().join(", ")
    };
    let labels = ["billing", "delivery", "login"];
    let intents = |one: &dyn Fn(&str) -> String| labels.map(one).join(", ");
    let parts =
        |text: &str| format!("[{{\"text\": {}}}, {{\"text\": {}, \"entity\": \"x\"}}]", json(&text[..4]), json(&text[4..]));
    for (what, text, note) in [
        (
            "chatbot",
            format!(
                "{{\"intents\": [{}]}}",
                intents(&|label| format!(
                    "{{\"tag\": \"{label}\", \"patterns\": [{}], \"responses\": [\"hello\"]}}",
                    of(label, &json)
                ))
            ),
            "each text in the lists `patterns` is a row, and the rows are numbered by text",
        ),
        (
            "one a line",
            labels
                .map(|label| {
                    format!(
                        "{{\"name\": \"{label}\", \"sampleUtterances\": [{}]}}\n",
                        of(label, &|text| format!("{{\"utterance\": {}}}", json(text)))
                    )
                })
                .concat(),
            "`sampleUtterances`",
        ),
        (
            "Dialogflow",
            format!(
                "[{}]",
                intents(&|label| format!(
                    "{{\"displayName\": \"{label}\", \"trainingPhrases\": [{}]}}",
                    of(label, &|text| format!("{{\"type\": \"EXAMPLE\", \"parts\": {}}}", parts(text)))
                ))
            ),
            "`trainingPhrases`",
        ),
        (
            "Snips",
            format!(
                "{{{}}}",
                intents(&|label| format!("\"{label}\": [{}]", of(label, &|text| format!("{{\"data\": {}}}", parts(text)))))
            ),
            "are used as labels",
        ),
    ] {
        let found = table(&text);
        assert_eq!(classes(&found), three(), "{what}: {:?}", found.columns);
        let column = found.columns.iter().position(|name| name == "text").unwrap();
        let texts: Vec<&str> = found.rows.iter().map(|row| row[column].as_str()).collect();
        let wanted: Vec<&str> =
            labels.iter().flat_map(|label| ROWS.iter().filter(move |row| row.1 == *label).map(|row| row.0)).collect();
        assert_eq!((texts, &found.row_numbers), (wanted, &(1..=9).collect::<Vec<u64>>()), "{what}");
        assert!(found.notes.iter().any(|found| found.contains(note)), "{what}: {:?}", found.notes);
    }
    // A row with a text of its own is a row.
    let own = table(
        ROWS.map(|(text, label)| format!("{{\"text\": {}, \"label\": \"{label}\", \"examples\": [\"a\", \"b\"]}}\n", json(text)))
            .concat(),
    );
    assert_eq!((own.rows.len(), own.notes), (9, Vec::new()));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_name_that_comes_twice_is_said() {
    let twice = table(
        ROWS.map(|(text, label)| format!("{{\"text\": {}, \"label\": \"x\", \"label\": \"{label}\"}}\n", json(text))).concat(),
    );
    assert_note(&twice, "9 rows (1, 2, 3, 4, 5, ...) have `label` more than once: the last value is used", "lines");
    assert_eq!(classes(&twice), three());
}

#[wasm_bindgen_test(unsupported = test)]
fn fasttext_files_have_labels_and_texts() {
    for (what, text) in [
        ("plain", file("", |_, text, label| format!("__label__{label} {text}"))),
        ("tabs", file("", |_, text, label| format!("__label__{label}\t{text}"))),
        ("commas", file("", |_, text, label| format!("__label__{label},{text}"))),
        ("a comma and a blank", file("", |_, text, label| format!("__label__{label} , {text}"))),
        ("in quotes", file("", |_, text, label| format!("__label__{label},\"{}\"", text.replace('"', "\"\"")))),
        ("at the end", file("", |_, text, label| format!("{text} __label__{label}"))),
    ] {
        let found = table(&text);
        assert_eq!(found.columns, ["label", "text"], "{what}");
        assert_rows(&found, [1, 0], same, 1, what);
        assert_note(&found, "this is a fastText file", what);
    }
    let tokens = table(file("", |_, text, label| format!("__label__{label} {text} , they said .")));
    assert_eq!(tokens.rows[0], ["billing", "the invoice was charged twice , they said ."]);
    let headed = table(file("label,text", |_, text, label| format!("__label__{label},{text}")));
    assert_rows(&headed, [1, 0], same, 2, "with names");
    let several = table(file("", |at, text, label| {
        format!("__label__{label} {}{text}", if at % 3 == 0 { "__label__urgent " } else { "" })
    }));
    assert_eq!((several.rows[0][0].as_str(), several.rows[1][0].as_str()), ("billing|urgent", "delivery"));
    assert!(
        several.notes.len() == 2 && several.notes[1].starts_with("3 rows (1, 4, 7) have several labels"),
        "{:?}",
        several.notes
    );
    // In a column of a table it is a label like any other.
    let column = table(file("text,label", |_, text, label| format!("{text},__label__{label}")));
    assert_eq!(column.rows[0], ["the invoice was charged twice", "__label__billing"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn drawn_tables_and_arff_are_read() {
    let bars = |text: &str| text.replace('|', "\\|");
    let row = |_: usize, text: &str, label: &str| format!("| {} | {label} |", bars(text));
    for (what, text, first) in [
        ("Markdown", file("| text | label |\n|---|---|", row), 3),
        (
            "Markdown, aligned",
            file("| text | label |\n| :--- | ---: |", |_, text, label| format!("| {text:40} | {label:10} |")),
            3,
        ),
        ("Markdown without bars outside", file("text | label\n--- | ---", |_, text, label| format!("{text} | {label}")), 3),
        (
            "MySQL",
            format!(
                "+------+-------+\n{}+------+-------+\n9 rows in set (0.00 sec)\n",
                file("| text | label |\n+------+-------+", row)
            ),
            4,
        ),
        (
            "psql",
            format!("{}(9 rows)\n", file(" text | label\n------+-------", |_, text, label| format!(" {text} | {label}"))),
            3,
        ),
        ("a title and an end", file("Some tickets:\n\n| text | label |\n|---|---|", row) + "\nThe end.\n", 5),
        ("org", file("| text | label |\n|------+-------|", row), 3),
    ] {
        let found = table(&text);
        assert_eq!(found.columns, ["text", "label"], "{what}");
        assert_rows(&found, [0, 1], same, first, what);
        assert!(found.notes[0].contains("drawn with bars and dashes"), "{what}: {:?}", found.notes);
        let footer = text.contains("rows)") || text.contains("rows in set") || text.contains("The end");
        assert_eq!(found.notes.len(), 1 + usize::from(footer), "{what}: {:?}", found.notes);
        assert_eq!(found.notes.iter().any(|note| note.contains("outside the table and left out: `")), footer, "{what}");
    }
    let bar = table("| text | label |\n|---|---|\n| a \\| b | x |\n| c d | y |\n");
    assert_eq!(bar.rows[0], ["a | b", "x"]);
    let weka = file(
        "% made by hand\n@relation tickets\n@attribute text string\n@attribute 'the label' {billing,delivery,login}\n@data",
        |_, text, label| format!("'{}, really',{label}", text.replace('\'', "\\'")),
    );
    let found = table(&weka);
    assert_eq!(found.columns, ["text", "the label"]);
    assert_rows(&found, [0, 1], |text| format!("{text}, really"), 6, "ARFF");
    assert_eq!(table(weka.to_uppercase().replace("BILLING\n", "?\n")).rows[0][1], "");
    assert!(refused("@relation a\n@attribute b string\n@attribute c {x,y}\n@data\n{0 a, 1 x}\n").0.contains("sparse"));
}

#[wasm_bindgen_test(unsupported = test)]
fn values_of_python_and_javascript_are_read() {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "\\'"));
    let lines = |line: &dyn Fn(&str, &str) -> String| ROWS.iter().map(|(text, label)| line(text, label)).collect::<Vec<_>>();
    let tuples = lines(&|text, label| format!("({}, '{label}')", quoted(text)));
    let mixed =
        lines(&|text, label| format!("({}, '{label}')", if text.contains('\'') { format!("\"{text}\"") } else { quoted(text) }));
    let dicts = lines(&|text, label| format!("{{'text': {}, 'label': '{label}', 'score': None, 'ok': True}}", quoted(text)));
    let script = lines(&|text, label| format!("  {{text: {}, label: \"{label}\"}}", json(text)));
    for (what, text) in [
        ("a list of tuples", format!("[{}]", tuples.join(",\n "))),
        ("tuples a line", tuples.join("\n")),
        ("with commas", tuples.join(",\n") + ","),
        ("two kinds of quotes", format!("[{}]", mixed.join(",\n "))),
        ("assigned", format!("data = [\n{}\n]\n", tuples.join(",\n"))),
        ("dicts", format!("[{}]", dicts.join(", "))),
        ("dicts a line", dicts.join("\n")),
        ("JavaScript", format!("const data = [\n{},\n];\n", script.join(",\n"))),
        ("JavaScript alone", format!("[\n{}\n]\n", script.join(",\n"))),
        ("a module", format!("export default [\n{}\n]\n", script.join(",\n"))),
        ("comments", format!("# made by hand\nrows = [\n{}\n]\n", tuples.join(",  # so\n"))),
    ] {
        let found = table(&text);
        assert_rows(&found, [0, 1], same, 1, what);
        assert_note(&found, "the file is Python or JavaScript: its values are read", what);
    }
    let escapes = table("[('a\\tb \\u00e9\\x21 \\ud83d\\udc4d', 'x'), ('c \\'d\\' \\\\', 'y')]");
    assert_eq!([escapes.rows[0][0].as_str(), escapes.rows[1][0].as_str()], ["a\tb é! 👍", "c 'd' \\"]);
    // What only begins so is a text.
    let found = table("('really', he said),x\n('no', she said),y\n('well', they said),x\n('fine', I said),y\n");
    assert_eq!(found.rows.len(), 4);
    assert!(refused(format!("[('a', {}", "[".repeat(100_000))).0.len() > 10);
}

#[wasm_bindgen_test(unsupported = test)]
fn other_notations_are_refused_by_name() {
    for (text, what, to_do) in [
        (file("", |_, text, label| format!("- text: {}\n  label: {label}", json(text))), "this is YAML", "JSON"),
        (
            "version: \"3.1\"\nnlu:\n- intent: greet\n  examples: |\n    - hey\n    - hello\n".into(),
            "Rasa's YAML",
            "rasa data convert",
        ),
        (
            file("CREATE TABLE t (a text, b text);", |_, text, label| {
                format!("INSERT INTO t VALUES ({}, '{label}');", json(text))
            }),
            "an SQL dump",
            "CSV",
        ),
        ("\\begin{tabular}{ll}\ntext & label \\\\\na, b & x \\\\\n\\end{tabular}\n".into(), "LaTeX", "CSV"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 123\n".into(), "a Git LFS pointer", "git lfs pull"),
        ("1 3:0.5 7:1\n0 2:0.5 9:1\n1 3:0.1 7:2\n0 1:0.5 7:1\n".into(), "svmlight", "texts"),
        (
            "{\"data\": [{\"title\": \"a\", \"paragraphs\": [{\"context\": \"b\", \"qas\": []}]}], \"version\": \"2.0\"}".into(),
            "question answering (SQuAD)",
            "a text and a class",
        ),
        (file("", |_, text, label| format!("{label}: {}", text.replace('"', ""))), "only one column", "replace the first `: `"),
    ] {
        let (problem, hint, _) = refused(&text);
        assert!(problem.contains(what) && hint.contains(to_do), "{problem} ({hint})");
    }
    let objects = objects();
    for text in [
        format!("// made by hand\n{}\n", objects.join("\n")),
        format!("started\n{}\ndone\n", objects.join("\n")),
        format!("text,label\n{}\n", objects.join("\n")),
        format!("/* rows */\n[\n{}\n]\n", objects.join(",\n")),
        objects.iter().map(|object| format!("2024-01-01 INFO {object}\n")).collect(),
    ] {
        let (problem, hint, _) = refused(&text);
        assert!(problem.contains("JSON with something else between") && hint.contains("each line is an object"), "{problem}");
    }
    let cells =
        table(file("text,label,data", |at, text, label| format!("{},{label},\"{{\"\"a\"\": {at}}}\"", text.replace('"', ""))));
    assert_eq!((cells.rows.len(), cells.rows[1][2].as_str()), (9, "{\"a\": 1}"));
    // A table that mentions them is one.
    let found = table("text,label\ninsert into the slot, values first,x\n- so it is,y\n\\begin with it,x\nversion: two,y\n");
    assert_eq!(found.rows.len(), 4);
}
