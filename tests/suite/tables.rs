//! What can be done with tables: written and read back, joined, and changed row by row.

use softprompt::config::DataConfig;
use softprompt::data::dataset::{ColumnChoice, DataReport};
use softprompt::data::edit::{Edit, NewRow};
use softprompt::data::table::Table;
use softprompt::error::{Error, Result};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::table;

/// What is wrong, and in which row.
fn data_error<T: std::fmt::Debug>(result: Result<T>) -> (String, Option<u64>) {
    match result.unwrap_err() {
        Error::Data { problem, hint, row, .. } => {
            assert!(!hint.is_empty(), "{problem}: no hint");
            (problem, row)
        }
        other => panic!("{other:?}"),
    }
}

fn columns(table: &Table) -> ColumnChoice {
    ColumnChoice::guess(table, &DataConfig::default()).unwrap()
}

fn report(table: &Table) -> DataReport {
    DataReport::new(table, columns(table))
}

fn edit(row: u64, label: Option<&str>) -> Edit {
    Edit { row, label: label.map(str::to_owned) }
}

/// Everything that a reader of CSV could stumble over, guessing not least.
#[wasm_bindgen_test(unsupported = test)]
fn a_written_table_reads_back_as_it_was() {
    let files = [
        // Of a written file nothing is guessed: neither a header from three lines nor a separator from a list.
        "a;b;c\nd;e;f\ng;h;i\n",
        "spam,ham\nham,spam\nspam,ham\n",
        "1,2\n3,4\n5,6\n",
        "text\tlabel\n\"a\"\"b\", c\tx\n  spaces  \ty\n\n-\tz\n",
        "text,label\n\"two\nlines, and \"\"quotes\"\"\",x\n\"a,b\nc,d\",x\n'single,y\n",
        "id;text;label;empty\n1;naïve 好;a;\n2;;b;\n3;sep=,;;\n",
        "text,label\ngood one,x\ntoo, many, cells,y\nanother good one,x\nand one more,y\n",
    ];
    for file in files {
        let before = table(file);
        let csv = before.to_csv().unwrap();
        let after = table(&csv);
        assert_eq!((&after.columns, &after.rows), (&before.columns, &before.rows), "{file:?}");
        assert!(after.has_header);
        assert_eq!(after.row_numbers, (2..before.rows.len() as u64 + 2).collect::<Vec<_>>(), "{file:?}");
        assert_eq!(after.ragged.len(), before.ragged.len(), "{file:?}");
        assert_eq!(after.to_csv().unwrap(), csv, "{file:?}");
    }
    // Other programs read it, too: without the mark at its end of line it is a CSV like any other.
    let csv = String::from_utf8(table(files[4]).to_csv().unwrap()).unwrap();
    let plain = csv.trim_start_matches('\u{feff}').replacen("\"\n", "\"\r\n", 1);
    assert_ne!(plain.len(), csv.len());
    assert_eq!(table(plain).rows, table(files[4]).rows);
    // What looks written by this program and is not, is read as any file: nothing is lost to the mark.
    for odd in
        ["\u{feff}\"a\",\"b\"\nc,d\r\n", "\u{feff}\"a\",\"b\"\n\"c\"\r\n\"d\",\"e\"\r\n", "\u{feff}\"a\",\"b\"\n\"c\",\"d\"\n"]
    {
        let found = table(odd);
        assert_eq!(found.columns.len(), 2, "{odd:?}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn files_are_joined_by_names_or_by_places() {
    let named = |name: &str, text: &str| (name.to_owned(), table(text));
    let files = || {
        vec![
            named("a.tsv", "nice one\tx\nbad one\ty\n"),
            named("b.csv", "text,label\nvery nice one,x\n\nvery bad one,y\n"),
            named("c.csv", "label;text\ny;worst of all\nx;best of all\n"),
        ]
    };
    let joined = Table::join(files()).unwrap();
    assert_eq!(joined.table.columns, ["text", "label"]);
    let texts: Vec<_> = joined.table.rows.iter().map(|row| row.join("/")).collect();
    assert_eq!(texts, ["nice one/x", "bad one/y", "very nice one/x", "very bad one/y", "worst of all/y", "best of all/x"]);
    let parts: Vec<_> = joined.parts.iter().map(|part| (part.name.as_str(), part.rows, part.first_row)).collect();
    assert_eq!(parts, [("a.tsv", 2, 2), ("b.csv", 2, 4), ("c.csv", 2, 6)]);
    assert_eq!(table(joined.table.to_csv().unwrap()).row_numbers, joined.table.row_numbers);

    // Other names at the same places are said.
    let mut other = files();
    other.push(named("d.csv", "message,class\nso so,x\nnot so,y\n"));
    let joined = Table::join(other).unwrap();
    assert_eq!(joined.table.rows[6], ["so so", "x"]);
    assert!(joined.parts[3].notes[0].contains("`message`, `class` are used as `text`, `label`"), "{:?}", joined.parts[3]);

    let mut wrong = files();
    wrong.push(named("e.csv", "id,text,label\n1,good and well,x\n2,bad and sad,y\n"));
    let (problem, _) = data_error(Table::join(wrong));
    assert!(problem.contains("e.csv") && problem.contains("b.csv"), "{problem}");
    assert!(problem.contains("`id`, `text`, `label`") && problem.contains("`text`, `label`"), "{problem}");
    data_error(Table::join(Vec::new()));
}

#[wasm_bindgen_test(unsupported = test)]
fn labels_are_changed_by_row_number() {
    let before = table("id,text,label\n1,good film,x\n\n2,bad film,x\n3,so so,y\n4,Good  FILM,x\n5,fine,y\n6,,y\n");
    assert_eq!(before.row_numbers, [2, 4, 5, 6, 7, 8]);
    let change = |edits: &[Edit]| before.edited(columns(&before), edits);
    let after = change(&[edit(4, Some(" y ")), edit(5, None)]).unwrap();
    let rows: Vec<_> = after.rows.iter().map(|row| row.join("/")).collect();
    assert_eq!(rows, ["1/good film/x", "2/bad film/y", "4/Good  FILM/x", "5/fine/y", "6//y"]);
    // A text that is repeated changes in every row: two labels for one text would throw both out.
    let after = change(&[edit(2, Some("y"))]).unwrap();
    assert_eq!((after.rows[0][2].as_str(), after.rows[3][2].as_str()), ("y", "y"));
    assert_eq!(report(&table(after.to_csv().unwrap())).contradictory, 0);
    assert_eq!(change(&[edit(6, None)]).unwrap().rows.len(), 4);
    // The one without text is not like any other.
    assert_eq!(change(&[edit(8, None)]).unwrap().rows.len(), 5);

    assert_eq!(data_error(change(&[edit(3, Some("y"))])).1, Some(3));
    assert_eq!(data_error(change(&[edit(5, Some(" "))])).1, Some(5));
    assert_eq!(data_error(change(&[edit(2, Some("x")), edit(6, None)])).1, Some(6));
    data_error(change(&[2, 4, 5, 7, 8].map(|row| edit(row, None))));
    assert_eq!(change(&[]).unwrap(), before);
}

#[wasm_bindgen_test(unsupported = test)]
fn typed_rows_are_appended() {
    let row = |text: &str, label: &str| NewRow { text: text.into(), label: label.into() };
    let mut found = table("label;id;text\nx;1;good and well\ny;2;bad and sad\nx;3;very well\ny;4;very sad\n");
    let choice = columns(&found);
    found.append(choice, &[row(" \"so; so\" ", "z"), row("two\nlines", "x")]).unwrap();
    let found = table(found.to_csv().unwrap());
    assert_eq!(found.rows[4], ["z", "", "\"so; so\""]);
    assert_eq!(found.rows[5], ["x", "", "two\nlines"]);
    assert_eq!(found.row_numbers, [2, 3, 4, 5, 6, 7]);
    // The first row of a table that is typed.
    let mut typed = Table::blank();
    typed.append(ColumnChoice { text: 0, label: 1 }, &[row("hello", "greeting")]).unwrap();
    assert_eq!(table(typed.to_csv().unwrap()).rows, [["hello", "greeting"]]);
    data_error(typed.append(ColumnChoice { text: 0, label: 1 }, &[row("hello", " ")]));
    data_error(typed.append(ColumnChoice { text: 0, label: 1 }, &[row("", "greeting")]));
}
