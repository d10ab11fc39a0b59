//! A column that says which rows are held out.

use softprompt::config::{DataConfig, RunConfig};
use softprompt::data::dataset::{ColumnChoice, DataReport, Dataset, GivenSplit, held_out_rows, usable_texts};
use softprompt::data::edit::NewRow;
use softprompt::data::table::Table;
use softprompt::data::view::TableView;
use softprompt::error::Result;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::columns::{made, text};
use crate::common::table;
use crate::data::{data_error, file};

const COLUMNS: ColumnChoice = ColumnChoice { text: 0, label: 1 };

/// 48 rows of two classes: of six, the last two are held out.
fn split(name: &str, words: [&str; 2]) -> Table {
    made(&format!("text,label,{name}"), &|i| vec![text(i), ["x", "y"][i % 2].into(), words[usize::from(i % 6 > 3)].into()])
}

fn read(table: &Table, column: Option<&str>) -> Result<Dataset> {
    Dataset::from_table(table, &DataConfig { split_column: column.map(str::to_owned), ..DataConfig::default() }, 0)
}

#[wasm_bindgen_test(unsupported = test)]
fn a_split_column_is_used_as_such() {
    for (name, words) in [
        ("split", ["train", "test"]),
        ("set", ["Train", "TEST"]),
        ("subset", ["training", "dev"]),
        ("fold", ["train", "validation"]),
        ("partition", ["trn", "val"]),
        ("usage", ["train", "eval"]),
        ("anything", ["train", "held-out"]),
        ("data", ["Training set", "Test set"]),
        ("is_valid", ["False", "True"]),
        ("is_train", ["1", "0"]),
        ("is test", ["no", "yes"]),
        ("stage", ["train", "holdout"]),
    ] {
        let found = split(name, words);
        let set = read(&found, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((set.train.len(), set.held_out.len()), (32, 16), "{name}: {:?}", set.report.notes);
        assert!(set.held_out.iter().all(|row| (row.row - 2) % 6 > 3), "{name}");
        assert_eq!((set.report.rows, set.report.usable, set.report.leaked, set.report.set_aside), (48, 48, 0, 0));
        assert_eq!(set.report.classes.iter().map(|class| class.count).collect::<Vec<_>>(), [24, 24]);
        let said = format!(
            "the split is taken from column `{name}`: 32 training rows, 16 held-out rows; --split-column none selects a random split"
        );
        assert!(set.report.notes.contains(&said), "{name}: {:?}", set.report.notes);
        // The report that is shown before is the same, and all usable texts are counted.
        assert_eq!(DataReport::new(&found, COLUMNS), set.report, "{name}");
        assert_eq!(usable_texts(&found, COLUMNS, &DataConfig::default()).len(), 48);
        // It does not depend on the seed, and can be turned off.
        assert_eq!(Dataset::from_table(&found, &DataConfig::default(), 9).unwrap().held_out, set.held_out);
        for off in ["none", "", "None"] {
            let drawn = read(&found, Some(off)).unwrap();
            assert_eq!((drawn.train.len(), drawn.held_out.len()), (38, 10), "{name}, {off:?}");
            assert!(drawn.report.notes.is_empty(), "{:?}", drawn.report.notes);
        }
        assert_eq!(read(&found, Some(name)).unwrap().held_out, set.held_out);
        assert_eq!(read(&found, Some("3")).unwrap().held_out, set.held_out);
    }
}

/// The page shows the split, and need not read it from the notes.
#[wasm_bindgen_test(unsupported = test)]
fn the_view_states_the_split_in_use() {
    let parts = |i: usize| ["train", "Train ", "trn", "test", "dev", "", "val"][i % 7];
    let found = made("text,label,part of it", &|i| vec![text(i), ["x", "y"][i % 2].into(), parts(i).into()]);
    let view = |column: Option<&str>| {
        TableView::new(found.clone(), &DataConfig { split_column: column.map(str::to_owned), ..DataConfig::default() })
    };
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let stated = GivenSplit {
        column: 2,
        name: "part of it".into(),
        training: 28,
        held_out: 7,
        set_aside: 13,
        without_value: 7,
        training_values: words(&["train", "Train", "trn"]),
        held_out_values: words(&["test"]),
        set_aside_values: words(&["dev", "val"]),
    };
    for column in [None, Some("3")] {
        let view = view(column);
        assert_eq!((view.split, view.split_problem), (Some(stated.clone()), None));
        assert_eq!(view.report.usable, stated.training + stated.held_out);
    }
    let random = view(Some("none"));
    assert_eq!((random.split, random.split_problem), (None, None));
    let refused = view(Some("label"));
    let problem = refused.split_problem.expect("the label is not a split");
    assert!(refused.split.is_none() && problem.contains("cannot be the text column or the label column"), "{problem}");
    assert_eq!(refused.report.notes.last(), Some(&problem));
}

#[wasm_bindgen_test(unsupported = test)]
fn the_test_part_is_held_out_before_the_dev_part() {
    let parts = |i: usize| ["train", "train", "train", "test", "dev", ""][i % 6];
    let found = made("text,label,split", &|i| vec![text(i), ["x", "y"][i / 6 % 2].into(), parts(i).into()]);
    let set = read(&found, None).unwrap();
    // A row without a word is one to train on.
    assert_eq!((set.train.len(), set.held_out.len(), set.report.set_aside), (32, 8, 8));
    assert!(set.held_out.iter().all(|row| (row.row - 2) % 6 == 3));
    let note = &set.report.notes[0];
    assert!(note.contains("8 rows of other parts (not used)") && note.contains("8 rows without a value (trained on)"), "{note}");
    let report = &set.report;
    assert_eq!(report.rows, report.usable + report.set_aside);
    // A typed row has no word either.
    let mut more = found.clone();
    more.append(COLUMNS, &[NewRow { text: "one more text".into(), label: "x".into() }]).unwrap();
    assert_eq!(read(&more, None).unwrap().train.len(), 33);
    assert_eq!(held_out_rows(&found, COLUMNS, &DataConfig::default()).unwrap().unwrap().iter().filter(|row| **row).count(), 8);
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_held_out_is_not_trained_on() {
    let mut rows = String::from("text,label,split\n");
    for i in 0..20 {
        rows.push_str(&format!("{},{},{}\n", text(i), ["x", "y"][i % 2], if i < 14 { "train" } else { "test" }));
    }
    // Rows 22 and 23 repeat a held-out text, one with another label; 24 repeats a training text; 25 a held-out one within its
    // part.
    rows.push_str(&format!(
        "{},x,train\n{} ,y,train\n{},x,train\n{},x,test\n",
        text(14).to_uppercase(),
        text(14),
        text(0),
        text(14)
    ));
    rows.push_str(",x,train\nno label,,test\n");
    let set = read(&table(rows), None).unwrap();
    let report = &set.report;
    assert_eq!((set.train.len(), set.held_out.len()), (14, 7));
    assert_eq!((report.duplicates, report.contradictory, report.leaked, report.empty, report.unlabelled), (1, 2, 0, 1, 1));
    let sum = report.usable + report.empty + report.unlabelled + report.duplicates + report.contradictory + report.leaked;
    assert_eq!((report.rows, sum), (26, 26));
    // A single one leaks.
    let mut leaky = split("split", ["train", "test"]);
    leaky.rows[0][0] = format!(" {}", text(4).to_uppercase());
    let set = read(&leaky, None).unwrap();
    assert_eq!((set.report.leaked, set.train.len(), set.held_out.len()), (1, 31, 16));
    assert!(
        set.report
            .notes
            .iter()
            .any(|note| note == "1 training row has a text that is also in the held-out part; it is not trained on"),
        "{:?}",
        set.report.notes
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_split_that_cannot_be_used_does_no_harm() {
    // Labels of the held-out part are merged as those of a second file are.
    let mut found = split("split", ["train", "test"]);
    for (i, row) in found.rows.iter_mut().enumerate() {
        row[1] = format!("{}{}", i % 2, if row[2] == "test" { ".0" } else { "" });
    }
    assert_eq!(read(&found, None).unwrap().labels, ["0", "1"]);
    // A class that only the held-out part has: rows are drawn where the column was only found, and it is said why.
    let mut other = split("split", ["train", "test"]);
    other.rows[4][1] = "z".into();
    other.rows[5][1] = "z".into();
    let set = read(&other, None).unwrap();
    assert_eq!(set.labels, ["x", "y", "z"]);
    assert!(
        set.report.notes.iter().any(|note| note.starts_with("the split in column `split` is not used") && note.contains("`z`")),
        "{:?}",
        set.report.notes
    );
    let (problem, row, _) = data_error(read(&other, Some("split")));
    assert!(problem.contains("the held-out part has the label `z`"), "{problem}");
    assert_eq!(row, Some(6));
    // A class without a held-out row is not evaluated, which is said.
    let mut alone = split("split", ["train", "test"]);
    alone.rows[0][1] = "z".into();
    alone.rows[1][1] = "z".into();
    let set = read(&alone, None).unwrap();
    assert_eq!((set.labels.len(), set.held_out.len()), (3, 16));
    assert!(
        set.report.notes.contains(&"class `z` has no held-out row: it is not evaluated".to_owned()),
        "{:?}",
        set.report.notes
    );
    // Nothing, or nearly nothing, to train on.
    let few = made("text,label,split", &|i| vec![text(i), ["x", "y"][i % 2].into(), if i < 3 { "train" } else { "test" }.into()]);
    assert!(
        read(&few, None).unwrap().report.notes.iter().any(|note| note.starts_with("the split in column `split` is not used"))
    );
    assert!(data_error(read(&few, Some("split"))).0.contains("leaves 3 training rows"), "{:?}", read(&few, Some("split")));
}

#[wasm_bindgen_test(unsupported = test)]
fn other_columns_are_no_split() {
    let drawn = |table: &Table| (read(table, None).unwrap().held_out.len(), 10);
    for words in [["train", "train"], ["test", "test"], ["train", "plane"], ["0", "1"], ["a", "b"], ["train", "other"]] {
        let (found, expected) = drawn(&split("split", words));
        assert_eq!(found, expected, "{words:?}");
    }
    // What is named like a split, and is none, is said.
    let said = |words: [&str; 2]| DataReport::new(&split("Split", words), COLUMNS).notes.concat();
    assert!(said(["train", "unused"]).contains("the split in column `Split` is not used (`unused` in row 6 is not train, test"));
    assert!(said(["test", "test"]).contains("(it does not have both training rows and held-out rows); a random split is used"));
    for words in [["0", "1"], ["a", "b"], ["train", "test"]] {
        assert!(!said(words).contains("is not used"), "{words:?}");
    }
    // The labels themselves.
    let labels = made("text,label", &|i| vec![text(i), ["train", "test"][i % 2].into()]);
    assert_eq!(read(&labels, None).unwrap().held_out.len(), 10);
    // What is named has to be one.
    let (problem, row, column) = data_error(read(&split("split", ["train", "other"]), Some("split")));
    assert_eq!(
        (problem.as_str(), row, column.as_deref()),
        ("`other` is not train, test, dev or validation", Some(6), Some("split"))
    );
    assert!(
        data_error(read(&split("split", ["train", "train"]), Some("split")))
            .0
            .contains("needs both training rows and held-out rows")
    );
    assert!(data_error(read(&split("split", ["train", "test"]), Some("label"))).0.contains("cannot be the text column"));
    assert_eq!(data_error(read(&split("split", ["train", "test"]), Some("where"))).2.as_deref(), Some("where"));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_second_file_wins_over_the_split() {
    let other = table(file(8, &["x", "y"]));
    let set = Dataset::with_held_out(&split("split", ["train", "test"]), &other, &DataConfig::default()).unwrap();
    assert_eq!((set.train.len(), set.held_out.len()), (48, 8));
    assert!(
        set.report.notes.iter().any(|note| note.contains("is not used, because a held-out file is given")),
        "{:?}",
        set.report.notes
    );
}

/// Settings of before have none of this.
#[wasm_bindgen_test(unsupported = test)]
fn old_settings_are_read() {
    let config: RunConfig = serde_json::from_str(
        r#"{"data": {"text_column": "a", "label_column": null, "held_out_fraction": 0.3, "max_tokens": 64}}"#,
    )
    .unwrap();
    assert_eq!((config.data.split_column, config.data.merge_labels, config.data.max_tokens), (None, false, 64));
}
