//! Notes stay few: one a kind, with a count and five examples.

use softprompt::config::DataConfig;
use softprompt::data::dataset::{ColumnChoice, DataReport, Dataset, find_column};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::columns::{made, text};
use crate::common::table;

const COLUMNS: ColumnChoice = ColumnChoice { text: 0, label: 1 };

#[wasm_bindgen_test(unsupported = test)]
fn many_classes_of_one_row_are_one_note() {
    let mut rows = String::from("text,label\n");
    for i in 0..4000 {
        rows.push_str(&format!("{} {i},{}\n", text(i), if i < 900 { format!("rare {i}") } else { format!("class {}", i % 7) }));
    }
    let set = Dataset::from_table(&table(rows), &DataConfig::default(), 0).unwrap();
    assert_eq!(set.labels.len(), 907);
    assert_eq!(
        set.report.notes,
        [
            "900 classes (`rare 0`, `rare 1`, `rare 10`, `rare 100`, `rare 101` and 895 more) have a single row: they are trained on but not evaluated"
        ]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn many_lost_classes_are_one_note() {
    // Few texts, each with thousands of labels: a wrong choice of columns.
    let rows: String = (0..6000).map(|i| format!("{},code {i}\n", ["a b", "c d", "e f"][i % 3])).collect();
    let report = DataReport::new(&table(format!("text,label\n{rows}")), COLUMNS);
    assert_eq!((report.usable, report.contradictory), (0, 6000));
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
    assert!(
        report.notes[1]
            .starts_with("6000 classes (`code 0`, `code 1`, `code 10`, `code 100`, `code 1000` and 5995 more) are left out")
    );
    assert!(report.notes.iter().all(|note| note.len() < 300), "{:?}", report.notes);
}

#[wasm_bindgen_test(unsupported = test)]
fn many_labels_that_look_the_same_are_one_note() {
    let found = made("text,label", &|i| vec![text(i), format!("{} {}", ["name", "Name"][i / 24], i % 24)]);
    let report = DataReport::new(&found, COLUMNS);
    assert_eq!(report.similar_labels.len(), 24);
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert!(
        report.notes[0].starts_with("24 groups of labels look the same (`Name 0`, `name 0`; ")
            && report.notes[0].contains("; ...)"),
        "{}",
        report.notes[0]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn classes_that_a_held_out_file_takes_away_are_one_note() {
    let mut train = String::from("text,label\n");
    let mut held = train.clone();
    for i in 0..60 {
        let row = format!("{} {i},{}\n", text(i), if i < 20 { format!("rare {i}") } else { format!("class {}", i % 2) });
        train.push_str(&row);
        if i < 20 {
            held.push_str(&row);
        }
    }
    let set = Dataset::with_held_out(&table(train), &table(held), &DataConfig::default()).unwrap();
    assert_eq!(set.report.leaked, 20);
    let lost: Vec<_> = set.report.notes.iter().filter(|note| note.contains("no training row left")).collect();
    assert_eq!(lost.len(), 1, "{:?}", set.report.notes);
    assert!(lost[0].starts_with("20 classes (`rare 0`, ") && lost[0].contains("and 15 more"), "{lost:?}");
}

#[wasm_bindgen_test(unsupported = test)]
fn many_columns_are_not_listed_in_full() {
    let header = (0..600).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",");
    let row = |i: usize| {
        (0..600).map(|j| if j == 1 { ["x", "y"][i % 2].into() } else { format!("{} {j}", text(i)) }).collect::<Vec<_>>().join(",")
    };
    let found = table(format!("{header}\n{}\n", (0..12).map(row).collect::<Vec<_>>().join("\n")));
    assert!(find_column(&found, "nowhere").unwrap_err().hint().len() < 800);
    let report = DataReport::new(&found, ColumnChoice::guess(&found, &DataConfig::default()).unwrap());
    assert!(report.notes.iter().all(|note| note.len() < 400), "{:?}", report.notes);
}

/// Odd labels are labels, and nothing is said where nothing is odd.
#[wasm_bindgen_test(unsupported = test)]
fn odd_labels_and_long_texts_stay_as_they_are() {
    let labels = [
        "a, b",
        "say \"yes\"",
        "two\nlines",
        "=SUM(A1)",
        "<script>alert(1)</script>",
        "---",
        "`code` | pipe",
        "🙂👩\u{200d}👩\u{200d}👧",
        "-1",
        "../../etc",
    ];
    let found =
        made("text,label", &|i| vec![format!("{} {}", text(i), text(i + 1).repeat(i * 9 + 1)), labels[i % labels.len()].into()]);
    let set = Dataset::from_table(&found, &DataConfig::default(), 0).unwrap();
    let mut expected = labels.to_vec();
    expected.sort_unstable();
    assert_eq!(
        (set.labels, set.report.notes, set.report.similar_labels),
        (expected.iter().map(|label| (*label).to_owned()).collect(), vec![], vec![])
    );
}
