//! Empty and nested values: what is inside of a list or an object, and cells that show nothing.

use softprompt::config::DataConfig;
use softprompt::data::cells::is_blank;
use softprompt::data::dataset::{ColumnChoice, DataReport, Dataset, texts_of};
use softprompt::data::edit::{Edit, NewRow};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::columns::{TEXTS, made, text};
use crate::common::table;
use crate::data::dataset;

/// Rows of JSON: a text, and behind it whatever the row has.
fn json(rows: usize, rest: &dyn Fn(usize) -> String) -> String {
    (0..rows).map(|i| format!("{{\"text\": \"{}\", {}}}\n", text(i), rest(i))).collect()
}

/// The classes with their rows, the rows without a label, and the notes.
fn read(file: &str) -> (Vec<(String, usize)>, usize, Vec<String>) {
    let found = table(file);
    let columns = ColumnChoice::guess(&found, &DataConfig::default()).unwrap();
    let report = DataReport::new(&found, columns);
    (report.classes.into_iter().map(|class| (class.name, class.count)).collect(), report.unlabelled, report.notes)
}

fn classes(names: &[(&str, usize)]) -> Vec<(String, usize)> {
    names.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[wasm_bindgen_test(unsupported = test)]
fn a_list_of_one_label_is_that_label_and_an_empty_one_is_none() {
    let kind = |i: usize| ["bad", "good"][i % 2];
    let two = classes(&[("bad", 9), ("good", 9)]);
    let of = |i: usize, full: String, empty: &str| if i % 4 >= 2 && i % 8 >= 6 { empty.to_owned() } else { full };
    for (name, full, empty) in [
        ("list", "\"label\": [\"{}\"]", "\"label\": []"),
        ("list in a list", "\"label\": [[\"{}\"]]", "\"label\": [[]]"),
        ("list with null", "\"label\": [\"{}\", null]", "\"label\": [null]"),
        ("list with blanks", "\"label\": [\" {} \"]", "\"label\": [\" \"]"),
        ("object", "\"label\": {\"name\": \"{}\"}", "\"label\": {}"),
        ("object of any name", "\"label\": {\"verdict\": \"{}\"}", "\"label\": {\"verdict\": null}"),
        ("object with an id", "\"label\": {\"id\": 3, \"name\": \"{}\"}", "\"label\": {}"),
        ("object with a score", "\"label\": {\"name\": \"{}\", \"confidence\": 0.5}", "\"label\": {}"),
        ("choices", "\"label\": {\"choices\": [\"{}\"]}", "\"label\": {\"choices\": []}"),
        ("list of objects", "\"label\": [{\"label\": \"{}\"}]", "\"label\": [{}]"),
        ("plain", "\"label\": \"{}\"", "\"label\": \"\\u200b\""),
        ("plain or list", "\"label\": \"{}\"", "\"label\": []"),
    ] {
        let (found, unlabelled, notes) = read(&json(24, &|i| of(i, full.replace("{}", kind(i)), empty)));
        assert_eq!((found, unlabelled), (two.clone(), 6), "{name}: {notes:?}");
        assert!(notes.iter().any(|note| note.contains("6 rows (7, 8, 15, 16, 23, ...) have no label")), "{name}: {notes:?}");
        let said = notes.iter().any(|note| note.contains("a list or an object as label"));
        assert_eq!(said, name != "plain", "{name}: {notes:?}");
    }
    // In other formats too: as Python and JSON write a list into a cell.
    for full in ["['{}']", "[\"{}\"]", "{\"choices\": [\"{}\"]}", "[ '{}' ]"] {
        let found = made("text,label", &|i| vec![text(i), if i % 8 == 7 { "[]".into() } else { full.replace("{}", kind(i)) }]);
        let report = DataReport::new(&found, ColumnChoice { text: 0, label: 1 });
        assert_eq!((report.classes.len(), report.classes[0].name.as_str(), report.unlabelled), (2, "bad", 6), "{full}");
    }
    // What only begins like a list is a label as it is.
    for odd in ["[{}", "({})", "[CLS] {}", "{{}}", "['{}", "[{}]"] {
        let found = made("text,label", &|i| vec![text(i), odd.replace("{}", kind(i))]);
        let report = DataReport::new(&found, ColumnChoice { text: 0, label: 1 });
        assert_eq!(report.classes[0].name, odd.replace("{}", "bad"));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn of_scores_of_classes_the_largest_is_the_label() {
    let scores = |i: usize| match i % 4 {
        0 => "\"cats\": {\"GOOD\": 1.0, \"BAD\": 0.0}",
        1 => "\"cats\": {\"GOOD\": false, \"BAD\": true}",
        2 => "\"cats\": {\"GOOD\": 0.7, \"BAD\": 0.3}",
        _ => "\"cats\": {\"GOOD\": 0.0, \"BAD\": 0.0}",
    };
    let (found, unlabelled, _) = read(&json(24, &|i| scores(i).to_owned()));
    assert_eq!((found, unlabelled), (classes(&[("BAD", 6), ("GOOD", 12)]), 6));
    // Two that are equally true are several labels.
    let both = |i: usize| {
        if i.is_multiple_of(4) {
            "\"cats\": {\"A\": 1, \"B\": 1}"
        } else {
            ["\"cats\": {\"A\": 1, \"B\": 0}", "\"cats\": {\"A\": 0, \"B\": 1}"][i % 2]
        }
    };
    let (found, _, notes) = read(&json(24, &|i| both(i).to_owned()));
    assert_eq!(found.len(), 3);
    assert!(
        notes.iter().any(|note| note.contains("6 rows (1, 5, 9, 13, 17, ...) have several values in a list as label")),
        "{notes:?}"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn several_labels_in_a_cell_are_said() {
    let (billing, login) = (["billing", "urgent"], ["login", "urgent"]);
    for (separator, expected) in [("|", "`|`"), (";", "`;`"), (", ", "`,`"), ("/", "`/`"), (" + ", "`+`")] {
        let label = |i: usize| match i % 3 {
            0 => "billing".to_owned(),
            1 => billing.join(separator),
            _ => login.join(separator),
        };
        let notes = crate::columns::notes(&made("text,labels", &|i| vec![text(i), label(i)]));
        let expected = format!("32 rows have several labels in a cell, separated by {expected}");
        assert!(notes.len() == 1 && notes[0].starts_with(&expected), "{notes:?}");
    }
    for list in ["[\"billing\",\"urgent\"]", "['billing', 'urgent']", "{\"choices\":[\"billing\",\"urgent\"]}"] {
        let notes = crate::columns::notes(&made("text,labels", &|i| {
            vec![text(i), if i % 2 == 0 { list.into() } else { "login".into() }]
        }));
        assert!(
            notes.len() == 1 && notes[0].starts_with("24 rows (2, 4, 6, 8, 10, ...) have several values in a list"),
            "{notes:?}"
        );
    }
    // Labels with such letters in them are labels like any other.
    for labels in [
        ["a, b", "c"],
        ["Food & drink, other", "Money, banks"],
        ["AC/DC", "Queen"],
        ["C++", "C"],
        ["yes; no", "never"],
        ["1/2", "1"],
    ] {
        let notes = crate::columns::notes(&made("text,labels", &|i| vec![text(i), labels[i % 2].into()]));
        assert_eq!(notes, [""; 0], "{labels:?}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn nested_texts_are_read() {
    let words = |i: usize| text(i).split(' ').map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(",");
    let object = |i: usize| format!("{{\"lang\": \"en\", \"body\": \"{}\"}}", text(i));
    let languages = |i: usize| format!("{{\"xx\": \"{}\", \"yy\": \"-\"}}", text(i));
    let row = |i: usize, cell: String| format!("{{\"id\": {i}, \"said\": {cell}, \"queue\": \"{}\"}}\n", ["x", "y"][i % 2]);
    for cells in
        [&(|i| format!("[{}]", words(i))) as &dyn Fn(usize) -> String, &object, &languages, &|i| format!("[\"{}\"]", text(i))]
    {
        let file: String = (0..24).map(|i| row(i, if i == 23 { "[]".into() } else { cells(i) })).collect();
        let found = table(&file);
        let set = dataset(&file).unwrap();
        assert_eq!((set.report.usable, set.report.empty), (23, 1), "{file}");
        let mut all: Vec<_> = set.train.iter().chain(&set.held_out).collect();
        all.sort_by_key(|row| row.row);
        assert_eq!(all[0].text, TEXTS[0]);
        assert!(set.report.notes.iter().any(|note| note.contains("a list or an object as text")), "{:?}", set.report.notes);
        // The text of a row is the same wherever it is asked for.
        let rows: Vec<u64> = set.held_out.iter().map(|row| row.row).collect();
        let texts: Vec<_> = set.held_out.iter().map(|row| Some(row.text.clone())).collect();
        assert_eq!(texts_of(&found, None, &DataConfig::default(), &rows).unwrap(), texts);
        // And after a change the table, which is a CSV then, is read in the same way.
        let columns = ColumnChoice::guess(&found, &DataConfig::default()).unwrap();
        let edited = found.edited(columns, &[Edit { row: 1, label: Some("y".into()) }]).unwrap();
        let again = Dataset::from_table(&table(edited.to_csv().unwrap()), &DataConfig::default(), 0).unwrap();
        assert_eq!((again.report.usable, again.report.classes[1].count), (23, 12));
    }
    // A column in which some texts look so is one of texts.
    let some =
        made("text,label", &|i| vec![if i % 3 == 0 { format!("[\"{}\"]", text(i)) } else { text(i) }, ["x", "y"][i % 2].into()]);
    let set = Dataset::from_table(&some, &DataConfig::default(), 0).unwrap();
    assert!(set.train.iter().any(|row| row.text.starts_with("[\"")));
}

#[wasm_bindgen_test(unsupported = test)]
fn texts_that_show_nothing_are_empty() {
    let nothing = [
        "\u{200b}",
        "\u{200b}\u{200d}",
        "\u{feff}",
        "\u{2060}",
        "\u{ad}",
        " \u{a0} ",
        "\u{3164}",
        "\u{200f}\u{200e}",
        "\u{fe0f}",
        "\u{2800}",
        "\u{1}",
        "\u{e0001}",
    ];
    for cell in nothing {
        assert!(is_blank(cell), "{cell:?}");
        let found = made("text,label", &|i| vec![if i % 4 == 0 { cell.into() } else { text(i) }, ["x", "y"][i % 2].into()]);
        let report = DataReport::new(&found, ColumnChoice { text: 0, label: 1 });
        assert_eq!((report.empty, report.usable, report.contradictory), (12, 36, 0), "{cell:?}");
        let found = made("text,label", &|i| vec![text(i), if i % 4 == 0 { cell.into() } else { ["x", "y"][i % 2].into() }]);
        let report = DataReport::new(&found, ColumnChoice { text: 0, label: 1 });
        assert_eq!((report.unlabelled, report.classes.len()), (12, 2), "{cell:?}");
        let mut one = found.clone();
        let typed = NewRow { text: cell.into(), label: "x".into() };
        assert!(one.append(ColumnChoice { text: 0, label: 1 }, &[typed]).is_err(), "{cell:?}");
    }
    for seen in ["?", "🙂", "👩\u{200d}👩\u{200d}👧", "❤\u{fe0f}", "a\u{200b}", "-", "好"] {
        assert!(!is_blank(seen), "{seen:?}");
    }
    // Nor do invisible letters make two texts of one.
    let found = table(format!(
        "text,label\n{}naïve café,x\nnai\u{308}ve cafe\u{301},x\nna\u{200b}ïve CAFÉ,x\n",
        TEXTS.iter().enumerate().map(|(i, text)| format!("{text},{}\n", ["x", "y"][i % 2])).collect::<String>()
    ));
    let report = DataReport::new(&found, ColumnChoice { text: 0, label: 1 });
    assert_eq!((report.usable, report.duplicates), (13, 2));
}
