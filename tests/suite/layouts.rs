//! Tables that hold more than rows of texts and labels: units, further tables, scores, several labels for a text.

use softprompt::config::DataConfig;
use softprompt::data::dataset::{ColumnChoice, DataReport};
use softprompt::data::table::Table;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::columns::{TEXTS, made, notes, text};
use crate::common::table;

const LABELS: [&str; 2] = ["good", "bad"];

/// Lines of a text and a label.
fn lines(count: usize) -> String {
    (0..count).map(|i| format!("{},{}\n", text(i), LABELS[i % 2])).collect()
}

/// Lines of a text, a number and a label.
fn measured(count: usize) -> String {
    (0..count).map(|i| format!("{},{i},{}\n", text(i), LABELS[i % 2])).collect()
}

fn classes(table: &Table) -> Vec<String> {
    let columns = ColumnChoice::guess(table, &DataConfig::default()).unwrap();
    DataReport::new(table, columns).classes.into_iter().map(|class| class.name).collect()
}

#[track_caller]
fn assert_found(notes: &[String], wanted: &str) {
    assert!(notes.iter().any(|note| note.contains(wanted)), "{wanted}: {notes:?}");
}

#[wasm_bindgen_test(unsupported = test)]
fn a_row_of_units_is_no_row() {
    for second in ["[text],[cm],-", "-,(kg),-", ",kg,", "free text,kg,categorical", "string,%,nominal", "–,[ms],–"] {
        let file = format!("text,size,label\n{second}\n{}", measured(20));
        let found = table(&file);
        assert_eq!((found.rows.len(), found.row_numbers[0]), (20, 3), "{second}: {:?}", found.notes);
        assert_eq!(classes(&found), ["bad", "good"], "{second}");
        assert_eq!(found.notes.len(), 1, "{second}: {:?}", found.notes);
        assert!(found.notes[0].starts_with("1 row (2) is below the header and states units or types"), "{:?}", found.notes);
        // It is a row where the user says so.
        let named = Table::read(file.as_bytes(), &DataConfig { header_row: Some(1), ..DataConfig::default() }).unwrap();
        assert_eq!((named.rows.len(), named.notes.len()), (21, 0), "{second}: {:?}", named.notes);
    }
    // Rows that look like it.
    for (second, last) in [("-,3,-", ""), ("kg,3,good", ""), ("m,7,unit", ""), ("[text],[cm],-", "the last one,3,-\n")] {
        let found = table(format!("text,size,label\n{second}\n{}{last}", measured(20)));
        assert_eq!(found.row_numbers[0], 2, "{second}: {:?}", found.notes);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_second_table_below_a_blank_line_is_left_out() {
    for second in [
        "name,city\nAnna Smith,London\nBob Jones,Paris\n".to_owned(),
        "label,meaning\nyes,the customer is happy\nno,the customer is not happy\n".to_owned(),
        format!("product,count\n{}", (0..10).map(|i| format!("item {i},{i}\n")).collect::<String>()),
    ] {
        for gap in ["\n", "\n\n", ",\n"] {
            let found = table(format!("text,label\n{}{gap}{second}", lines(20)));
            let filled = found.rows.iter().filter(|row| row.iter().any(|cell| !cell.is_empty())).count();
            assert_eq!((filled, classes(&found)), (20, vec!["bad".to_owned(), "good".to_owned()]), "{second}: {:?}", found.notes);
            assert_found(&found.notes, "a second table, below a blank line, with the header `");
        }
    }
    // The same labels again, under other names: only the header is none.
    let found = table(format!("text,label\n{}\nmessage,category\n{}", lines(10), lines(24).split_at(lines(10).len()).1));
    assert_eq!((found.rows.len(), classes(&found).len()), (24, 2), "{:?}", found.notes);
    assert_found(
        &found.notes,
        "1 row (13) is the header of another table (`message`, `category`), below a blank line, and left out",
    );
    // Without a blank line it is a row, and said.
    let found = table(format!("text,label\n{}message,category\n{}", lines(10), lines(24).split_at(lines(10).len()).1));
    assert_eq!(found.rows.len(), 25);
    assert_found(&found.notes, "1 row (12) reads like a header, but is used as a row");
    // Classes that are set apart by blank lines are rows.
    let block = |label: &str, from: usize| (from..from + 6).map(|i| format!("{},{label}\n", text(i))).collect::<String>();
    let found = table(format!("text,label\n{}\n{}\n{}", block("a", 0), block("b", 6), block("c", 12)));
    assert_eq!((found.rows.len(), found.notes.len()), (18, 0), "{:?}", found.notes);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_sentence_below_the_rows_is_none_of_them() {
    let sentence = "This table was made by the support team, in 2024\n";
    let apart = table(format!("text,label\n{}\n{sentence}", lines(20)));
    assert_eq!(apart.rows.len(), 20, "{:?}", apart.notes);
    assert_found(
        &apart.notes,
        "1 row (23) is below the last row of the table and left out: `This table was made by the support team, in 2024`",
    );
    let close = table(format!("text,label\n{}{sentence}", lines(20)));
    assert_eq!(close.rows.len(), 21);
    assert_found(&close.notes, "the last row (22) reads like a sentence about the table, but is used as a row");
    // A row is no sentence, whatever its text.
    let found = table(format!("text,label\n{}\nThis was made by the whole support team, good\n", lines(20)));
    assert_eq!(found.rows.len(), 21, "{:?}", found.notes);
}

/// Two tables side by side: the text and the label are of the same one.
#[wasm_bindgen_test(unsupported = test)]
fn tables_side_by_side_are_not_paired() {
    let row = |i: usize| {
        let long = format!("a much longer text of the other table than {}", TEXTS[(i + 5) % 12]);
        format!("{},{},,{long} {i},{}\n", ["a", "b"][i % 2], text(i), ["x", "y", "z"][i % 3])
    };
    for header in ["label,note,,message,kind", "label,text,,text,kind"] {
        let found = table(format!("{header}\n{}", (0..24).map(row).collect::<String>()));
        let ColumnChoice { text, label } = ColumnChoice::guess(&found, &DataConfig::default()).unwrap();
        assert_eq!(text < 2, label < 2, "{header}: {text} {label}");
        assert_found(&notes(&found), "look like a second table beside the one of");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn scores_of_classes_are_said() {
    let pick =
        |on: &'static str, off: &'static str| move |i: usize, class: usize| if i % 3 == class { on } else { off }.to_owned();
    let soft =
        |i: usize, class: usize| format!("{:.2}", if i % 3 == class { 0.5 + i as f64 / 200.0 } else { 0.25 - i as f64 / 400.0 });
    type Score<'a> = &'a dyn Fn(usize, usize) -> String;
    let cases: [(Score<'_>, &str); 3] = [
        (&soft, "numbers that add up to 1 in each row"),
        (&pick("0.8", "0.1"), "numbers that add up to 1 in each row"),
        (&pick("+1", "-1"), "1 in one column and -1 in the others"),
    ];
    for (score, what) in cases {
        let found = made("text,good,bad,fair", &|i| vec![text(i), score(i, 0), score(i, 1), score(i, 2)]);
        assert_found(&notes(&found), &format!("columns `good`, `bad`, `fair` are scores of classes ({what}): only `"));
    }
    // Numbers that are none.
    for (a, b) in [("0.5", "0.7"), ("1", "1"), ("0", "1")] {
        let found = made("text,label,size,weight", &|i| vec![text(i), LABELS[i % 2].into(), a.into(), b.into()]);
        assert!(notes(&found).iter().all(|note| !note.contains("scores of classes")), "{a} {b}: {:?}", notes(&found));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn columns_named_like_the_label_column_are_said() {
    let finer = ["phones", "laptops and tablets", "novels", "cooking", "games", "comics", "x-ray", "yarn"];
    let found = made("text,category,subcategory", &|i| vec![text(i), ["a", "b"][i % 2].into(), finer[i % 8].into()]);
    assert_found(&notes(&found), "the labels could also be column `subcategory`: `category` is used");
    let found = made("text,annotator_1,annotator_2", &|i| {
        vec![text(i), LABELS[i % 2].into(), LABELS[(i + usize::from(i % 7 == 0)) % 2].into()]
    });
    assert_found(&notes(&found), "the labels could also be column `annotator_");
}

/// Long texts of one pattern are texts, too.
#[wasm_bindgen_test(unsupported = test)]
fn notes_of_one_pattern_are_said() {
    let note = |i: usize| format!("checked with the warehouse and called back on the {i}, left a note and closed it");
    let found = made("customer_message,agent_note,outcome", &|i| vec![text(i), note(i), LABELS[i % 2].into()]);
    assert_eq!(ColumnChoice::guess(&found, &DataConfig::default()).unwrap(), ColumnChoice { text: 0, label: 2 });
    assert_found(&notes(&found), "column `agent_note` also contains texts, which are not used; only `customer_message` is read");
}

#[wasm_bindgen_test(unsupported = test)]
fn objects_in_cells_become_columns() {
    let object = |i: usize| format!("{{\"text\": \"{}\", \"label\": \"{}\", \"n\": {i}}}", text(i), LABELS[i % 2]);
    for (header, cells) in [
        ("data", (&|i| vec![object(i)]) as &dyn Fn(usize) -> Vec<String>),
        ("id,data", &|i| vec![i.to_string(), object(i)]),
        ("data,label,annotator", &|i| vec![object(i), String::new(), ["ann", "bob", "eve"][i % 3].into()]),
    ] {
        let found = made(header, cells);
        let place = |name: &str| found.columns.iter().position(|column| column == name).unwrap();
        let label = if header.contains("label") { "data.label" } else { "label" };
        assert_eq!(found.rows[5][place("text")], text(5), "{header}");
        assert_eq!((found.rows[5][place(label)].as_str(), found.rows[5][place("n")].as_str()), ("bad", "5"), "{header}");
        assert_found(
            &found.notes,
            &format!("the cells of column `data` are JSON objects: their members `{label}`, `n`, `text` are columns"),
        );
        assert_eq!(classes(&found), ["bad", "good"], "{header}");
    }
    // A list of one is its element.
    let found = made("text,labels", &|i| vec![text(i), format!("[\"{}\"]", LABELS[i % 2])]);
    assert_eq!(classes(&found), ["bad", "good"]);
}

/// The same text on several rows, each with one of its labels.
#[wasm_bindgen_test(unsupported = test)]
fn several_labels_of_a_text_on_several_rows_are_said() {
    // Of 48 rows, 16 are texts with one label and 32 are texts with two.
    let found = made("text,label", &|i| vec![text(i - usize::from(i % 3 == 2)), ["billing", "login", "urgent"][i % 3].into()]);
    let said = notes(&found);
    assert_found(
        &said,
        "16 of 32 texts are on several rows, each time with another label (32 rows): this looks like several labels",
    );
    // Annotators that do not agree are contradictions only.
    let found = made("text,label", &|i| vec![text(i / 4), LABELS[usize::from(i % 4 == 3)].into()]);
    assert!(notes(&found).iter().all(|note| !note.contains("several labels")), "{:?}", notes(&found));
}
