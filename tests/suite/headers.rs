//! Where the header is, and what is beside it.

use softprompt::config::DataConfig;
use softprompt::data::table::Table;
use softprompt::data::view::TableView;
use softprompt::error::Error;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::table;
use crate::readings::{ROWS, assert_note, assert_rows, file};

fn lines(separator: char) -> String {
    file("", |_, text, label| format!("{text}{separator}{label}").replace('"', "'"))
}

#[track_caller]
fn assert_all(found: &Table, columns: [usize; 2], first: u64, what: &str) {
    assert_rows(found, columns, |text| text.replace('"', "'"), first, what);
}

fn with(header_row: usize) -> DataConfig {
    DataConfig { header_row: Some(header_row), ..DataConfig::default() }
}

#[wasm_bindgen_test(unsupported = test)]
fn lines_above_the_header_are_left_out() {
    let rows = lines(',');
    for (what, above, row, count) in [
        ("comments", "# exported by the help desk\n# rows: 9\n", 3, "2 rows (1, 2) are above the header (row 3)"),
        ("a comment with a comma", "# exported by the help desk, north wing\n", 2, "1 row (1) is above the header (row 2)"),
        ("a title", "Help desk export\n\n", 3, "1 row (1) is above the header (row 3)"),
        ("a title of one word", "Tickets\n", 2, "1 row (1) is"),
        ("a title, filled up", "Help desk export,\nMade on,2024-05-03\n,\n", 4, "2 rows (1, 2) are above the header (row 4)"),
        ("dates", "From,2024-01-01\nTo,2024-05-03\n", 3, "2 rows (1, 2) are"),
        ("a number of rows", "Export,north\nRows,9\n", 3, "2 rows (1, 2) are"),
        ("W3C", "#Version: 1.0\n#Fields: ticket queue\n", 3, "2 rows (1, 2) are"),
        ("percent signs", "% made by hand\n", 2, "1 row (1) is"),
        ("slashes", "// made by hand\n// rows: 9\n", 3, "2 rows (1, 2) are"),
        ("notes with commas", "note 0, kept for the auditors\nnote 1, kept for the auditors\n", 3, "2 rows (1, 2) are"),
    ] {
        let text = format!("{above}ticket,queue\n{rows}");
        let found = table(&text);
        assert_eq!(found.columns, ["ticket", "queue"], "{what}");
        assert_eq!(found.header_row, Some(row), "{what}");
        assert_all(&found, [0, 1], row + 1, what);
        assert_note(&found, count, what);
    }
    // Whatever the names are.
    let found = table(format!("Export vom Montag\n\nMeldung;Abteilung\n{}", lines(';')));
    assert_eq!((found.columns.join("+"), found.header_row), ("Meldung+Abteilung".into(), Some(3)));
    let blank =
        table(format!(",,\nid,text,label\n{}", file("", |at, text, label| format!("{at},{text},{label}").replace('"', "'"))));
    assert_eq!((blank.columns.join("+"), blank.notes.len()), ("id+text+label".into(), 0));
    let wide = table(format!(
        "Report name;Help desk\nFrom;2024-01-01\n\nNumber;Text;Queue\n{}",
        file("", |at, text, label| format!("{at};{text};{label}").replace('"', "'"))
    ));
    assert_eq!((wide.columns.join("+"), wide.header_row), ("Number+Text+Queue".into(), Some(4)));
    // A mark before the first name belongs to no name, where no other header follows.
    let marked = table(format!("# ticket,queue\n{rows}"));
    assert_eq!((marked.columns.join("+"), marked.notes.len()), ("ticket+queue".into(), 0));
    // Twelve classes, of which each row has one of its own: the rows above names are not taken for a preamble.
    let sorted: String = (0..24).map(|i| format!("some words of number {i},{}\n", ["x", "y", "z"][i / 8])).collect();
    assert_eq!(table(&sorted).rows.len(), 24);
    let last: String =
        (0..24).map(|i| format!("some words of number {i},{}\n", if i == 3 { "odd" } else { ["x", "y"][i % 2] })).collect();
    assert_eq!(table(last).rows.len(), 24);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_row_is_not_taken_for_a_header() {
    let first = table(format!("hello there my friend,greeting\n{}", lines(',')));
    assert_eq!((first.has_header, first.rows.len(), first.rows[0][1].as_str()), (false, 10, "greeting"));
    assert_eq!(first.notes, [""; 0]);
    // A word above texts, beside a class: either may be right, so it is said.
    let word = table(format!("remark,billing\n{0}{0}", lines(',')));
    assert_eq!((word.has_header, word.rows.len()), (false, 19));
    assert_eq!(
        word.notes,
        [
            "row 1 is used as a row, although its cell `remark` reads like the name of a column: choose row 1 as the header row if it is one"
        ]
    );
    let questions = table(format!("What went wrong with it?,Which team should look at it?\n{}", lines(',')));
    assert!(questions.has_header);
    let words = table(format!("Text of the whole ticket,Queue\n{}", lines(',')));
    assert!(words.has_header, "it begins otherwise than the texts do");
    let hash = table("#fail again and again,bad\n#win at last,good\n#fail as ever,bad\nso so it is,good\n");
    assert_eq!((hash.has_header, hash.rows.len()), (false, 4));
    let titled = table(format!("Tickets\n{}", lines(',')));
    assert_eq!((titled.has_header, titled.rows.len()), (false, 10), "without names there is nothing above them");
}

#[wasm_bindgen_test(unsupported = test)]
fn rows_below_the_header_that_are_none_are_left_out() {
    let rows = lines(',');
    for (what, second, count) in [
        ("types", "string,category\n", "1 row (2) is below the header"),
        ("types of SQL", "varchar(200),int\n", "1 row (2) is below the header"),
        ("dashes", "----,-----\n", "1 row (2) is below the header"),
        (
            "Qualtrics",
            "What went wrong?,Which team?\n\"{\"\"ImportId\"\":\"\"QID1\"\"}\",\"{\"\"ImportId\"\":\"\"QID2\"\"}\"\n",
            "2 rows (2, 3) are below the header",
        ),
        ("questions", "What went wrong? Tell us.,Which team should look at it?\n", "1 row (2) is below the header"),
        ("units", "(in their words),(one of three)\n", "1 row (2) is below the header"),
        ("SurveyMonkey", "Open-Ended Response,Response\n", "1 row (2) is below the header"),
    ] {
        let found = table(format!("Q1,Q2\n{second}{rows}"));
        assert_eq!(found.columns, ["Q1", "Q2"], "{what}");
        let below = second.lines().count() as u64;
        assert_all(&found, [0, 1], 2 + below, what);
        assert_note(&found, count, what);
    }
    let tabs = table(format!("text\tlabel\n----\t-----\n{}", lines('\t')));
    assert_all(&tabs, [0, 1], 3, "dashes between tabs");
    // A row of the table that has such words is a row.
    let found = table(format!("text,label\nstring theory,category\n{rows}"));
    assert_eq!((found.rows.len(), found.notes.len()), (10, 0));
    let found =
        table("text,label\nwhat is it?,question\nit is so,answer\nhow is it?,question\nit is well,answer\nwhy?,question\n");
    assert_eq!(found.rows.len(), 5);
    // Files put under one another with their headers.
    let twice = table(format!("text,label\n{rows}text,label\nanother one,login\n"));
    assert_eq!(twice.rows.len(), 10);
    assert_note(&twice, "1 row (11) is identical to the header and left out", "twice");
}

/// Files of Excel put under one another: the second header has a byte order mark, others have blanks or capitals.
#[wasm_bindgen_test(unsupported = test)]
fn the_header_comes_again_in_another_notation() {
    for again in ["\u{feff}text,label", "text, label", "text\u{200b},label", "Text,LABEL"] {
        let found = table(format!("\u{feff}text,label\n{0}{again}\n{0}", lines(',')));
        assert_eq!((found.columns.join("+"), found.rows.len()), ("text+label".into(), 18), "{again:?}: {:?}", found.notes);
        assert_note(&found, "1 row (11) is identical to the header and left out", again);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn lines_below_the_last_row_are_left_out() {
    let rows = lines(',');
    for footer in [
        "Total,9",
        "Total: 9 rows",
        "(9 rows)",
        "9 rows in set",
        "Sum,9",
        "Gesamt,9",
        "-- end",
        "# made by hand",
        "Generated on Monday",
        "Grand Total,9",
        "合计,9",
    ] {
        for header in ["ticket,queue\n", ""] {
            let found = table(format!("{header}{rows}{footer}\n"));
            let first = if header.is_empty() { 1 } else { 2 };
            assert_all(&found, [0, 1], first, footer);
            let text = footer.replace(',', " ");
            assert_note(
                &found,
                &format!("1 row ({}) is below the last row of the table and left out: `{text}`", first + 9),
                footer,
            );
        }
    }
    let sums = file("text;label;n", |at, text, label| format!("{text};{label};{at}"));
    assert_note(
        &table(format!("{sums}Total;;36\n")),
        "1 row (11) is below the last row of the table and left out: `Total 36`",
        "sums",
    );
    let two = table(format!("ticket,queue\n{rows}\nTotal,9\nPage 1 of 1\n"));
    assert_note(&two, "2 rows (12, 13) are below the last row", "two lines");
    // Texts that begin so are texts.
    for row in ["Total nonsense as ever,billing", "page not found again,login", "Sum of all fears,delivery", "Total,login"] {
        let found = table(format!("ticket,queue\n{rows}{row}\n"));
        assert_eq!((found.rows.len(), found.notes.len()), (10, 0), "{row}: {:?}", found.notes);
    }
    // Texts without labels stay, though the last begins so.
    let unlabelled = table("text,label\nit is so,\npage not found,\nit is well,\ntotal loss,\nreport is late,\n");
    assert_eq!(unlabelled.rows.len(), 5);
}

#[wasm_bindgen_test(unsupported = test)]
fn the_header_row_can_be_named() {
    let text = format!("note 0, for the auditors\nbetreff,abteilung\n\n{}", lines(','));
    let bytes = text.as_bytes();
    let named = |row: usize| Table::read(bytes, &with(row));
    let found = named(2).unwrap();
    assert_eq!((found.columns.join("+"), found.header_row), ("betreff+abteilung".into(), Some(2)));
    assert_all(&found, [0, 1], 4, "named");
    assert_note(&found, "1 row (1) is above the header (row 2) and left out", "named");
    let none = named(0).unwrap();
    assert_eq!((none.has_header, none.header_row, none.rows.len(), none.columns[0].as_str()), (false, None, 11, "column 1"));
    assert_eq!(none.rows[0], ["note 0", " for the auditors"]);
    assert_eq!(named(5).unwrap().rows.len(), 7, "any row can be named");
    for (row, what) in [(3, "it is blank"), (99, "the last row of the file is 12")] {
        match named(row) {
            Err(Error::Data { problem, hint, row: Some(at), .. }) => {
                assert!(problem.contains(what) && hint.contains('0') && at == row as u64, "{problem} ({hint})");
            }
            other => panic!("{other:?}"),
        }
    }
    // The same in lists and workbooks, but for what names its values itself.
    let lists = "[\"a\", \"b\"]\n[\"text\", \"label\"]\n[\"so it is\", \"x\"]\n[\"so be it\", \"y\"]\n";
    assert_eq!(Table::read(lists.as_bytes(), &with(2)).unwrap().columns, ["text", "label"]);
    assert_eq!(
        Table::read(b"{\"text\":\"a b\",\"label\":\"x\"}\n{\"text\":\"c d\",\"label\":\"y\"}\n", &with(2)).unwrap().rows.len(),
        2
    );
    // A table that this program wrote has its header where it has it: the row was named for the file that it was made of.
    let written = found.to_csv().unwrap();
    assert_eq!(Table::read(&written, &with(2)).unwrap().rows, found.rows);
}

#[wasm_bindgen_test(unsupported = test)]
fn the_first_lines_are_shown_as_they_stand() {
    let text = format!("Help desk export\n\nticket,queue\nstring,category\n{}", lines(','));
    let view = TableView::new(table(&text), &DataConfig::default());
    assert_eq!((view.header_row, view.has_header, view.rows), (Some(3), true, 9));
    let head: Vec<(u64, String)> = view.head.iter().map(|line| (line.row, line.cells.join("+"))).collect();
    assert_eq!(
        head[..4],
        [
            (1, "Help desk export".into()),
            (3, "ticket+queue".into()),
            (4, "string+category".into()),
            (5, format!("{}+{}", ROWS[0].0, ROWS[0].1))
        ]
    );
    assert_eq!(head.len(), 12);
    // Whatever row is chosen, the lines stay.
    let chosen = with(5);
    let again = TableView::new(Table::read(text.as_bytes(), &chosen).unwrap(), &chosen);
    assert_eq!((again.header_row, &again.head), (Some(5), &view.head));
    let long = format!("text,label\n{}", "a b,x\n".repeat(100));
    assert_eq!(TableView::new(table(long), &DataConfig::default()).head.len(), 30);
    assert_eq!(table("{\"text\":\"a b\",\"label\":\"x\"}\n{\"text\":\"c d\",\"label\":\"y\"}\n").head, []);
    // Old settings do not know of it.
    let old: DataConfig = serde_json::from_str("{\"text_column\": \"text\"}").unwrap();
    assert_eq!((old.header_row, old.sheet), (None, None));
}

/// The header row in the settings is about the first file; a held-out file may have fewer lines above its header.
#[wasm_bindgen_test(unsupported = test)]
fn the_header_of_a_second_file_is_in_its_own_row() {
    let config = |row: usize, columns: bool| DataConfig {
        header_row: Some(row),
        text_column: columns.then(|| "ticket".to_owned()),
        label_column: columns.then(|| "queue".to_owned()),
        ..DataConfig::default()
    };
    let plain = format!("ticket,queue\n{}", lines(','));
    let titled = format!("Export of June\n\nmade by hand,on paper\n{plain}");
    for (file, row, first) in [(&plain, 4, 1), (&titled, 1, 4), (&titled, 4, 4), (&plain, 90, 1)] {
        for columns in [false, true] {
            let found = Table::read_beside(file.as_bytes(), &config(row, columns)).unwrap();
            assert_eq!((found.header_row, found.columns.join("+")), (Some(first), "ticket+queue".into()), "row {row}");
            assert_eq!(found.rows.len(), 9);
        }
    }
    // Where looking finds none, or another one than the columns in the settings.
    let words = format!("good day,to all of you\n{}", lines(','));
    assert_eq!(Table::read_beside(words.as_bytes(), &config(1, false)).unwrap().header_row, Some(1));
    let two = format!("text,label\nticket,queue\n{}", lines(','));
    assert_eq!(Table::read_beside(two.as_bytes(), &config(2, true)).unwrap().header_row, Some(2));
    assert!(!Table::read_beside(plain.as_bytes(), &config(0, false)).unwrap().has_header);
}
