//! Labels that mean the same: merged where only the notation differs, said or merged on request where they look the same.

use softprompt::config::DataConfig;
use softprompt::data::dataset::{ClassIndex, ColumnChoice, DataReport, Dataset};
use softprompt::data::table::Table;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::columns::{TEXTS, made, text};
use crate::common::table;
use crate::data::data_error;

fn labelled(labels: &[&str]) -> Table {
    made("text,label", &|i| vec![text(i), labels[i % labels.len()].to_owned()])
}

fn report(labels: &[&str], merge: bool) -> DataReport {
    let found = labelled(labels);
    let config = DataConfig { merge_labels: merge, ..DataConfig::default() };
    DataReport::with_config(&found, ColumnChoice { text: 0, label: 1 }, &config)
}

fn names(report: &DataReport) -> Vec<&str> {
    report.classes.iter().map(|class| class.name.as_str()).collect()
}

/// Each of these is one class whatever the settings say.
#[wasm_bindgen_test(unsupported = test)]
fn differences_of_notation_are_merged() {
    for (labels, expected) in [
        // pandas writes floats as soon as a cell is empty.
        (vec!["0", "1", "0.0", "1.0"], vec!["0", "1"]),
        (vec!["1.0", "2.00", "1.00", "2.0"], vec!["1.0", "2.0"]),
        (vec!["1.5", "2", "2.00", "2."], vec!["1.5", "2"]),
        (vec!["-1", "1", "-1.0", "1.0"], vec!["-1", "1"]),
        (vec!["1", "2", "nan", "1.0"], vec!["1", "2", "nan"]),
        // Unicode forms.
        (vec!["r\u{e9}clam\u{e9}", "autre", "re\u{301}clame\u{301}", "autre"], vec!["autre", "r\u{e9}clam\u{e9}"]),
        (vec!["\u{d55c}", "b", "\u{1112}\u{1161}\u{11ab}", "b"], vec!["b", "\u{d55c}"]),
        (vec!["\u{212b}", "b", "\u{c5}", "b"], vec!["b", "\u{c5}"]),
        // What cannot be seen.
        (vec!["good", "bad", "good\u{200b}", "\u{feff}bad"], vec!["bad", "good"]),
        (vec!["good\u{200d}", "bad", "good", "bad"], vec!["bad", "good"]),
        (vec!["go\u{ad}od", "bad", "good", "bad\u{200e}"], vec!["bad", "good"]),
        (vec!["very good", "very bad", "very\u{a0}good", "very \u{2009} bad"], vec!["very bad", "very good"]),
        (vec!["non-urgent", "urgent", "non\u{2011}urgent", "urgent"], vec!["non-urgent", "urgent"]),
        (vec!["two\nlines", "b", "two lines", "b"], vec!["b", "two lines"]),
    ] {
        let found = report(&labels, false);
        assert_eq!(names(&found), expected, "{labels:?}");
        assert_eq!(found.usable, 48, "{labels:?}");
        assert!(
            found.similar_labels.iter().all(|group| group.merged) && !found.similar_labels.is_empty(),
            "{:?}",
            found.similar_labels
        );
        let said: Vec<_> = found.notes.iter().filter(|note| note.contains("in different notations, which are merged")).collect();
        assert_eq!(said.len(), 1, "{:?}", found.notes);
        // Nothing in the note is invisible.
        assert!(said[0].chars().all(|letter| !"\u{200b}\u{feff}\u{ad}\u{a0}\u{301}\n".contains(letter)), "{}", said[0]);
    }
}

/// What may be meant stays, and is said in one note; the setting merges it.
#[wasm_bindgen_test(unsupported = test)]
fn labels_that_look_the_same_are_said_and_merged_on_request() {
    for (labels, merged, groups) in [
        (vec!["Spam", "ham", "spam"], vec!["ham", "spam"], 1),
        (vec!["Spam", "Spam", "ham", "spam"], vec!["Spam", "ham"], 1),
        (vec!["1", "01", "2"], vec!["1", "2"], 1),
        (vec!["+1", "1", "-1"], vec!["-1", "1"], 1),
        (vec!["1e0", "1", "0"], vec!["0", "1"], 1),
        (vec!["\u{ff11}", "1", "0"], vec!["0", "1"], 1),
        (vec!["card_lost", "card lost", "card-lost", "other"], vec!["card lost", "other"], 1),
        (vec!["spam", "spam.", "ham"], vec!["ham", "spam"], 1),
        (vec!["True", "False", "TRUE", "FALSE", "true", "false"], vec!["FALSE", "TRUE"], 2),
        (vec!["yes", "no", "Yes", "No", "YES", "NO", "no."], vec!["NO", "YES"], 2),
        (vec!["1", "True", "0", "False"], vec!["0", "1"], 2),
        (vec!["ﬁne", "poor", "fine"], vec!["fine", "poor"], 1),
        (vec!["don’t", "do", "don't"], vec!["do", "don't"], 1),
        (vec!["\u{441}at", "dog", "cat"], vec!["cat", "dog"], 1),
        (vec!["a &amp; b", "c", "a & b"], vec!["a & b", "c"], 1),
        (vec!["\"quoted\"", "other", "quoted"], vec!["other", "quoted"], 1),
        (vec!["a – b", "c", "a - b"], vec!["a - b", "c"], 1),
        (vec!["ｶﾞ", "c", "ガ"], vec!["c", "ガ"], 1),
    ] {
        let apart = report(&labels, false);
        let mut expected: Vec<&str> = labels.clone();
        expected.sort_unstable();
        expected.dedup();
        let mut found = names(&apart);
        found.sort_unstable();
        assert_eq!(found, expected, "apart");
        assert_eq!(
            apart.similar_labels.iter().filter(|group| !group.merged).count(),
            groups,
            "{labels:?}: {:?}",
            apart.similar_labels
        );
        let said: Vec<_> = apart.notes.iter().filter(|note| note.contains("--merge-labels")).collect();
        assert_eq!(said.len(), 1, "{:?}", apart.notes);
        let one = report(&labels, true);
        assert_eq!(names(&one), merged, "{labels:?}");
        assert!(
            one.similar_labels.len() == groups
                && one.similar_labels.iter().all(|group| group.merged && merged.contains(&group.name.as_str()))
        );
        for group in &one.similar_labels {
            let rows: usize = group.labels.iter().map(|label| label.count).sum();
            let class = one.classes.iter().find(|class| class.name == group.name).unwrap();
            assert_eq!(rows, class.count, "{labels:?}: {group:?}");
        }
    }
    let found = report(&["Spam", "ham", "spam"], false);
    assert_eq!(
        found.notes,
        [
            "1 group of labels looks the same (`Spam`, `spam`): they are treated as different classes; data.merge_labels (--merge-labels) merges them"
        ]
    );
}

/// And these are different, merged or not.
#[wasm_bindgen_test(unsupported = test)]
fn labels_that_differ_stay_apart() {
    for labels in [
        vec!["1", "-1", "0"],
        vec!["-1", "1", "unknown"],
        vec!["C", "C++", "C#"],
        vec!["a", "à"],
        vec!["👩\u{200d}👩\u{200d}👧", "👩👩👧"],
        vec!["می\u{200c}خواهم", "میخواهم"],
        vec!["?", "??", "!"],
        vec!["1.1", "1.10.0", "11"],
        vec!["9007199254740993", "9007199254740992"],
        vec!["y", "n"],
        vec!["nan", "none", "null"],
        vec!["12", "1 2"],
        vec!["re-open", "reopen"],
        vec!["positive", "positiv"],
        vec!["<script>", "script"],
    ] {
        for merge in [false, true] {
            let found = report(&labels, merge);
            assert_eq!(found.classes.len(), labels.len(), "{labels:?}: {:?}", found.similar_labels);
            assert_eq!(found.similar_labels, [], "{labels:?}");
        }
    }
    // Of floats in a column of words nothing is known.
    assert_eq!(report(&["1", "1.0", "other"], false).classes.len(), 3);
}

#[wasm_bindgen_test(unsupported = test)]
fn words_for_missing_values_are_kept_and_said() {
    let found = report(&["nan", "delivery", "login", "None", "NULL", "N/A", "<NA>", "login"], false);
    assert_eq!(found.classes.len(), 7);
    assert_eq!(
        found.notes,
        [
            "30 rows have a label that looks like a missing value (`<NA>` 6, `N/A` 6, `NULL` 6, `None` 6, `nan` 6); it is treated as a class: leave the cell empty if the row has no label"
        ]
    );
    assert!(report(&["nan", "low", "high"], false).notes[0].starts_with("16 rows have a label that looks like a missing value"));
    assert_eq!(report(&["nanny", "nonexistent", "any"], false).notes, [""; 0]);
    let texts = made("text,label", &|i| {
        vec![if i % 6 == 0 { "nan".into() } else { text(i) }, if i % 6 == 0 { "x" } else { ["x", "y"][i % 2] }.into()]
    });
    let found = DataReport::new(&texts, ColumnChoice { text: 0, label: 1 });
    assert!(
        found.notes[0].starts_with("8 rows (2, 8, 14, 20, 26, ...) have a text that looks like a missing value"),
        "{:?}",
        found.notes
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn rows_of_merged_labels_do_not_contradict() {
    let rows: String = TEXTS.iter().enumerate().map(|(i, text)| format!("{text},{}\n{text},{}.0\n", i % 2, i % 2)).collect();
    let set = Dataset::from_table(&table(format!("text,label\n{rows}")), &DataConfig::default(), 0).unwrap();
    assert_eq!((set.report.duplicates, set.report.contradictory, set.labels.len()), (12, 0, 2));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_held_out_file_is_merged_in_the_same_way() {
    let other = |labels: [&str; 2]| {
        table(
            TEXTS
                .iter()
                .enumerate()
                .fold("text,label\n".to_owned(), |all, (i, text)| all + &format!("{text} indeed,{}\n", labels[i % 2])),
        )
    };
    let set = |train: &[&str], held: [&str; 2], merge: bool| {
        let config = DataConfig { merge_labels: merge, ..DataConfig::default() };
        Dataset::with_held_out(&labelled(train), &other(held), &config)
    };
    for (train, held) in [
        (["1", "0"], ["1.0", "0.0"]),
        (["1.0", "0.0"], ["1", "0"]),
        (["caf\u{e9}", "b"], ["cafe\u{301}", "b\u{200b}"]),
        (["very good", "bad"], ["very\u{a0}good", " bad "]),
    ] {
        let found = set(&train, held, false).unwrap();
        // Row i of either file has the label of the same meaning.
        assert!(found.held_out.iter().all(|row| found.labels[row.label as usize] == train[(row.row % 2) as usize]), "{train:?}");
        assert!(
            found.report.notes.iter().any(|note| note.starts_with("held-out file: labels in a different notation")),
            "{:?}",
            found.report.notes
        );
    }
    // JSON has 1.0 as 1.
    let json: String = (0..24).map(|i| format!("{{\"text\": \"{}\", \"label\": {}.0}}\n", text(i), i % 2)).collect();
    let found = Dataset::with_held_out(&table(json), &other(["0.0", "1.0"]), &DataConfig::default()).unwrap();
    assert_eq!((found.labels, found.held_out[1].label), (vec!["0".to_owned(), "1".to_owned()], 1));
    // What only looks the same is refused with the way out, or merged.
    let error = set(&["spam", "ham"], ["Spam", "ham"], false).unwrap_err();
    assert!(error.hint().contains("looks like `spam`: data.merge_labels (--merge-labels)"), "{}", error.hint());
    assert_eq!(data_error::<Dataset>(Err(error)).1, Some(2));
    assert_eq!(set(&["spam", "ham"], ["Spam", "HAM."], true).unwrap().held_out[0].label, 1);
}

#[wasm_bindgen_test(unsupported = test)]
fn the_classes_of_an_adapter_are_found_in_other_files() {
    let classes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let numbers = ClassIndex::new(&classes(&["0", "1"]), false);
    assert_eq!(["0", "1.0", "0.00", "2", "01"].map(|label| numbers.find(label)), [Some(0), Some(1), Some(0), None, None]);
    assert_eq!(numbers.similar("01"), Some(1));
    let words = classes(&["card_lost", "other"]);
    assert_eq!(
        (ClassIndex::new(&words, false).find("Card lost"), ClassIndex::new(&words, true).find("Card lost")),
        (None, Some(0))
    );
    assert_eq!(ClassIndex::new(&words, false).find("other\u{200b}"), Some(1));
    // Where two classes look the same, only their own names find them.
    let both = ClassIndex::new(&classes(&["Spam", "spam"]), true);
    assert_eq!(["Spam", "spam", "SPAM"].map(|label| both.find(label)), [Some(0), Some(1), None]);
}

/// Versions: whether 1.1 and 1.10 are one class, only the user knows.
#[wasm_bindgen_test(unsupported = test)]
fn zeros_behind_other_digits_may_mean_something() {
    let apart = report(&["1.1", "1.2", "1.10", "1.2"], false);
    assert_eq!(names(&apart), ["1.1", "1.10", "1.2"]);
    assert!(apart.similar_labels.len() == 1 && !apart.similar_labels[0].merged, "{:?}", apart.similar_labels);
    assert_eq!(names(&report(&["1.1", "1.2", "1.10", "1.2"], true)), ["1.1", "1.2"]);
}
