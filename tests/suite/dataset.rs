//! From a table to a data set: columns, rows that cannot be used, labels, the split.

use softprompt::config::DataConfig;
use softprompt::data::dataset::{ColumnChoice, DataReport, Dataset, TextRow, texts_of};
use softprompt::rng::Rng;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::table;
use crate::data::{WORDS, data_error, dataset, file};

#[wasm_bindgen_test(unsupported = test)]
fn columns_are_guessed() {
    let texts = [
        "it was a good film",
        "I did not like it",
        "what a waste of time",
        "the best of the year",
        "so so, not bad",
        "never again",
    ];
    let build = |header: &str, row: &dyn Fn(usize) -> String| {
        let header = if header.is_empty() { String::new() } else { format!("{header}\n") };
        table(header + &(0..12).map(|i| row(i) + "\n").collect::<String>())
    };
    let text = |i: usize| format!("{} {i}", texts[i % 6]);
    let kind = |i: usize| ["pos", "neg"][i % 2];
    let cases = [
        ("text;label", build("text;label", &|i| format!("{};{}", text(i), kind(i))), (0, 1)),
        ("v1;v2", build("v1;v2", &|i| format!("{};{}", kind(i), text(i))), (1, 0)),
        ("none", build("", &|i| format!("{}\t{}", kind(i), text(i))), (1, 0)),
        ("none", build("", &|i| format!("{}\t{}", text(i), i % 2)), (0, 1)),
        ("id", build("id;sentence;split;label", &|i| format!("{i};{};train;{}", text(i), i % 2)), (1, 3)),
        ("unknown names", build("wert;a;b", &|i| format!("{};{i};{}", kind(i), text(i))), (2, 0)),
        (
            "title and body",
            build("title;body;category", &|i| format!("{};{} and so on;{}", texts[i % 6], text(i), kind(i))),
            (1, 2),
        ),
        ("label_text", build("label;label_text;text", &|i| format!("{};{};{}", i % 2, kind(i), text(i))), (2, 0)),
        ("ticket", build("ticket_id;ticket_text;queue", &|i| format!("T{i};{};{}", text(i), kind(i))), (1, 2)),
        ("hashes", build("hash;line;kind", &|i| format!("{:064x};{};{}", i * 77_777_777, texts[i % 6], kind(i))), (1, 2)),
        ("lang", build("lang;text;label", &|i| format!("{};{};c{}", ["de", "en"][i % 2], text(i), i % 5)), (1, 2)),
        ("exact", build("label_source;text;label", &|i| format!("{};{};c{}", ["p", "q"][i % 2], text(i), i % 5)), (1, 2)),
        ("remarks", build("remarks;ticket_text;queue", &|i| format!("{} as {i};{};{}", text(i), text(i), kind(i))), (1, 2)),
        ("long labels", build("label;text", &|i| format!("a label of many words {};w{i}", i % 2)), (1, 0)),
    ];
    for (name, table, (text, label)) in cases {
        assert_eq!(
            ColumnChoice::guess(&table, &DataConfig::default()),
            Ok(ColumnChoice { text, label }),
            "{name}: {:?}",
            table.columns
        );
    }
    let numbers = table("a,b,c\n1,2,3\n4,5,6\n7,8,9\n");
    assert!(data_error(ColumnChoice::guess(&numbers, &DataConfig::default())).0.contains("no column looks like the text"));
    let distinct = table("id;text;n\n1;a b c;0.1\n2;d e f;0.2\n3;g h i;0.3\n");
    assert!(data_error(ColumnChoice::guess(&distinct, &DataConfig::default())).0.contains("no column looks like the label"));
}

#[wasm_bindgen_test(unsupported = test)]
fn columns_can_be_named() {
    let found =
        table("Title,Body,Queue,3\nshort one,a longer text,x,p\nshort two,another longer text,y,q\nshort three,one more,x,q\n");
    let choose = |text: Option<&str>, label: Option<&str>| {
        let config =
            DataConfig { text_column: text.map(Into::into), label_column: label.map(Into::into), ..DataConfig::default() };
        ColumnChoice::guess(&found, &config)
    };
    let chosen = |text, label| Ok(ColumnChoice { text, label });
    assert_eq!(choose(None, None), chosen(1, 2));
    assert_eq!(choose(Some("Title"), None), chosen(0, 2));
    assert_eq!(choose(Some("title"), Some(" QUEUE ")), chosen(0, 2));
    assert_eq!(choose(Some("1"), Some("4")), chosen(0, 3));
    // A name wins over a number.
    assert_eq!(choose(None, Some("3")), chosen(1, 3));
    assert_eq!(choose(Some("queue"), None).map(|columns| columns.text), Ok(2));
    for unknown in ["Subject", "0", "5"] {
        let error = choose(Some(unknown), None).unwrap_err();
        assert!(error.hint().contains("1 `Title`, 2 `Body`, 3 `Queue`, 4 `3`"), "{}", error.hint());
        assert_eq!(data_error::<ColumnChoice>(Err(error)).2.as_deref(), Some(unknown));
    }
    assert!(data_error(choose(Some("Body"), Some("2"))).0.contains("same column"));
}

#[wasm_bindgen_test(unsupported = test)]
fn every_row_is_accounted_for() {
    let text = file(20, &["x", "y"]) // rows 2 to 21
        + "Text number 0  alpha,x\n" // 22: repeats row 2 but for case and a space
        + "both,x\nboth,y\nBOTH,x\n" // 23 to 25: contradict each other
        + ",x\n  ,\n" // 26, 27: empty
        + "nothing,\n" // 28: unlabelled
        + "a,b,c\n" // 29: ragged
        + "only here,z\nonly  here,y\n"; // 30, 31: and class z is gone
    let set = dataset(&text).unwrap();
    let report = &set.report;
    assert_eq!((report.rows, report.usable, report.duplicates, report.contradictory), (30, 20, 1, 5));
    assert_eq!((report.empty, report.unlabelled, report.ragged, report.leaked), (2, 1, 1, 0));
    let sum = report.usable + report.empty + report.unlabelled + report.ragged + report.duplicates + report.contradictory;
    assert_eq!(sum, report.rows);
    let counts: Vec<(&str, usize)> = report.classes.iter().map(|class| (class.name.as_str(), class.count)).collect();
    assert_eq!(counts, [("x", 10), ("y", 10)]);
    for part in [
        "1 row (29) has more cells",
        "2 rows (26, 27) have no text",
        "1 row (28) has no label",
        "1 row (22) has the text and the label of an earlier row",
        "5 rows (23, 24, 25, 30, 31) have a text that also occurs with another label",
        "class `z` is left out",
    ] {
        assert!(report.notes.iter().any(|note| note.starts_with(part)), "{part}: {:?}", report.notes);
    }
    // The first of two equal rows is the one that is used.
    let used: Vec<u64> = set.train.iter().chain(&set.held_out).map(|row| row.row).collect();
    assert!(used.contains(&2) && !used.contains(&22) && used.iter().all(|&row| row <= 21));
    // The report alone is the same.
    let found = table(&text);
    assert_eq!(DataReport::new(&found, ColumnChoice { text: 0, label: 1 }), *report);
}

#[wasm_bindgen_test(unsupported = test)]
fn labels_are_sorted() {
    assert_eq!(dataset(&file(24, &["10", "9", "-1", "0"])).unwrap().labels, ["-1", "0", "9", "10"]);
    assert_eq!(dataset(&file(24, &["10", "9", "b", "A"])).unwrap().labels, ["10", "9", "A", "b"]);
    let set = dataset(&file(24, &["Spam", "ham", "spam"])).unwrap();
    assert_eq!(set.labels, ["Spam", "ham", "spam"]);
    assert!(
        set.report.notes.iter().any(|note| note.starts_with("1 group of labels looks the same (`Spam`, `spam`)")),
        "{:?}",
        set.report.notes
    );
    // Indices follow the names.
    for row in set.train.iter().chain(&set.held_out) {
        let i: usize = row.text.split(' ').nth(2).unwrap().parse().unwrap();
        assert_eq!(set.labels[row.label as usize], ["Spam", "ham", "spam"][i % 3]);
    }
}

fn rows(part: &[TextRow]) -> Vec<u64> {
    part.iter().map(|row| row.row).collect()
}

#[wasm_bindgen_test(unsupported = test)]
fn the_split_is_seeded_and_the_same_everywhere() {
    let found = table(file(20, &["a", "b"]));
    let split = |seed| Dataset::from_table(&found, &DataConfig::default(), seed).unwrap();
    let set = split(7);
    assert_eq!(set, split(7));
    assert_ne!(rows(&set.held_out), rows(&split(8).held_out));
    // From a Python version of the generator: stream "split" of seed 7, Fisher-Yates of the rows of a, then of b, and the first
    // two of each. Natively and in wasm.
    assert_eq!(rows(&set.held_out), [4, 5, 7, 12]);
    let mut all = [rows(&set.train), rows(&set.held_out)].concat();
    assert!(set.train.is_sorted_by_key(|row| row.row) && set.held_out.is_sorted_by_key(|row| row.row));
    all.sort_unstable();
    assert_eq!(all, (2..22).collect::<Vec<u64>>());
}

#[wasm_bindgen_test(unsupported = test)]
fn the_split_is_stratified() {
    // 100 rows of a, 10 of b, 2 of c, 1 of d.
    let mut text = String::from("text,label\n");
    for (label, count) in [("a", 100), ("b", 10), ("c", 2), ("d", 1)] {
        (0..count).for_each(|i| text.push_str(&format!("{label} text {i},{label}\n")));
    }
    let found = table(text);
    for seed in 0..20 {
        for (fraction, expected) in [(0.2, [20, 2, 1, 0]), (0.01, [1, 1, 1, 0]), (0.99, [99, 9, 1, 0])] {
            let config = DataConfig { held_out_fraction: fraction, ..DataConfig::default() };
            let set = Dataset::from_table(&found, &config, seed).unwrap();
            let count = |class| set.held_out.iter().filter(|row| row.label == class).count();
            assert_eq!([count(0), count(1), count(2), count(3)], expected, "fraction {fraction}, seed {seed}");
            assert_eq!(set.train.len() + set.held_out.len(), 113);
            assert!(set.report.notes.iter().any(|note| note.starts_with("class `d` has a single row")), "{:?}", set.report.notes);
        }
    }
}

fn key(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[wasm_bindgen_test(unsupported = test)]
fn no_text_is_on_both_sides() {
    let mut rng = Rng::stream(11, "sides");
    for seed in 0..50 {
        let mut text = String::from("text;label\n");
        for _ in 0..60 {
            let word = WORDS[rng.below(6)];
            let number = rng.below(8);
            let spelt = match rng.below(5) {
                0 => format!(" {word}  {number} É"),
                1 => format!("{} {number} é ", word.to_uppercase()),
                2 => format!("{word}\u{a0}{number}\té"),
                _ => format!("{word} {number} é"),
            };
            text.push_str(&format!("{spelt};{}\n", ["p", "q"][number % 2]));
        }
        let set = Dataset::from_table(&table(text), &DataConfig::default(), seed).unwrap();
        let mut keys: Vec<String> = set.train.iter().chain(&set.held_out).map(|row| key(&row.text)).collect();
        keys.sort_unstable();
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "seed {seed}: {keys:?}");
        assert!(set.report.duplicates > 0 && !set.held_out.is_empty());
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn held_out_texts_are_found_again_by_their_rows() {
    let train = table(file(12, &["x", "y"]));
    let config = DataConfig::default();
    let set = Dataset::from_table(&train, &config, 3).unwrap();
    let texts = texts_of(&train, None, &config, &rows(&set.held_out)).unwrap();
    assert_eq!(texts, set.held_out.iter().map(|row| Some(row.text.clone())).collect::<Vec<_>>());
    // Of two files it is the other one's rows, whose columns may stand the other way round; row 5 is blank.
    let other = table("label,text\nx, first \ny,second\nx,third\n\ny,last\n");
    let texts = texts_of(&train, Some(&other), &config, &[6, 2, 5, 99]).unwrap();
    assert_eq!(texts, [Some("last".into()), Some("first".into()), None, None]);
    let gone = DataConfig { text_column: Some("nowhere".into()), ..config };
    assert_eq!(data_error(texts_of(&train, None, &gone, &[2])).2.as_deref(), Some("nowhere"));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_second_file_is_held_out_without_leaks() {
    let train = table(file(12, &["x", "y"]));
    let config = DataConfig::default();
    // Its columns stand the other way round; rows 2 and 3 are in the training file, row 4 is repeated, row 6 is empty.
    let other = table("label,text\nx,Text  number 0 ALPHA\ny,text number 1 beta\nx,new\nx,new\ny,\ny,newer\n");
    let set = Dataset::with_held_out(&train, &other, &config).unwrap();
    assert_eq!(rows(&set.held_out), [2, 3, 4, 5, 7]);
    assert_eq!(set.held_out[2], TextRow { text: "new".into(), label: 0, row: 4 });
    assert_eq!(rows(&set.train), (4..14).collect::<Vec<u64>>());
    assert_eq!((set.report.rows, set.report.usable, set.report.leaked), (12, 10, 2));
    assert_eq!(set.report.classes.iter().map(|class| class.count).collect::<Vec<_>>(), [5, 5]);
    for part in [
        "2 training rows have a text that is also in the held-out file",
        "held-out file: 1 row (6) has no text",
        "held-out file: 1 row (5) has the text of an earlier row",
    ] {
        assert!(set.report.notes.iter().any(|note| note.starts_with(part)), "{part}: {:?}", set.report.notes);
    }
    // Without a header the places decide.
    let bare = table("one more text,x\nanother text,y\none text,x\n");
    assert_eq!(Dataset::with_held_out(&train, &bare, &config).unwrap().held_out[1].text, "another text");
    let long = table("text,label\na b,the first of them\nc d,the second one\ne f,the first of them\ng h,the second one\n");
    let bare = table("short,the first of them\nbrief,the second one\n");
    assert_eq!(Dataset::with_held_out(&long, &bare, &config).unwrap().held_out[1].text, "brief");
    // A label that nobody can learn.
    let (problem, row, column) =
        data_error(Dataset::with_held_out(&train, &table("text,label\na b,x\nc d,z\ne f,x\ng h,z\n"), &config));
    assert!(problem.contains("the label `z`"), "{problem}");
    assert_eq!((row, column.as_deref()), (Some(3), Some("label")));
    assert!(data_error(Dataset::with_held_out(&train, &train, &config)).0.contains("only 0 training rows are left"));
}

#[wasm_bindgen_test(unsupported = test)]
fn what_cannot_be_learnt_is_refused() {
    let refused = |text: &str| data_error(dataset(text));
    let (problem, _, column) = refused(&file(10, &["same"]));
    assert!(problem.contains("the same label, `same`"), "{problem}");
    assert_eq!(column.as_deref(), Some("label"));
    assert!(
        refused("text,label\na b,x\nc d,y\ne f,\n,x\n")
            .0
            .contains("only 2 of 4 rows can be used (1 without text, 1 without label")
    );
    assert!(dataset("text,label\na b,x\nc d,y\ne f,x\ng h,y\n").is_ok());
    for (label, expected) in
        [("{i}", "an id or a measurement"), ("K-{i}", "it looks like an id"), ("so it is {i}", "it looks like text")]
    {
        let rows = (0..30).map(|i| format!("text {i},{}\n", label.replace("{i}", &i.to_string())));
        let (problem, ..) = refused(&("text,label\n".to_owned() + &rows.collect::<String>()));
        assert!(problem.contains("30 different values in 30 rows") && problem.contains(expected), "{problem}");
    }
}
