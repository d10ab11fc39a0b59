//! What a workbook has besides the cells of its first sheet.

use softprompt::config::DataConfig;
use softprompt::data::dataset::{ColumnChoice, DataReport};
use softprompt::data::table::Table;
use softprompt::data::view::TableView;
use softprompt::error::Error;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::table;
use crate::common::zipped;
use crate::readings::{ROWS, assert_note, assert_rows};

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const REL: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// A workbook of sheets: name, attributes, rows, and what stands behind the rows.
pub fn book(sheets: &[(&str, &str, String, &str)]) -> Vec<u8> {
    let list: String = (1..)
        .zip(sheets)
        .map(|(at, (name, more, ..))| format!("<sheet name=\"{name}\" sheetId=\"{at}\" {more} r:id=\"rId{at}\"/>"))
        .collect();
    let relations: String = (1..)
        .zip(sheets)
        .map(|(at, _)| format!("<Relationship Id=\"rId{at}\" Type=\"{REL}/worksheet\" Target=\"worksheets/sheet{at}.xml\"/>"))
        .collect();
    let mut parts = vec![
        (
            "[Content_Types].xml".to_owned(),
            "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>".to_owned(),
        ),
        (
            "_rels/.rels".to_owned(),
            format!(
                "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" Type=\"{REL}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml".to_owned(),
            format!("<workbook xmlns=\"{MAIN}\" xmlns:r=\"{REL}\"><sheets>{list}</sheets></workbook>"),
        ),
        (
            "xl/_rels/workbook.xml.rels".to_owned(),
            format!(
                "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{relations}</Relationships>"
            ),
        ),
    ];
    for (at, (_, _, rows, behind)) in (1..).zip(sheets) {
        parts.push((
            format!("xl/worksheets/sheet{at}.xml"),
            format!("<worksheet xmlns=\"{MAIN}\"><sheetData>{rows}</sheetData>{behind}</worksheet>"),
        ));
    }
    zipped(&parts)
}

/// Rows of texts from a row on; an empty one is no cell.
pub fn rows(first: usize, cells: &[Vec<&str>]) -> String {
    let cell = |(at, row): (usize, &(usize, &str))| {
        format!("<c r=\"{}{row}\" t=\"inlineStr\"><is><t>{}</t></is></c>", ["A", "B", "C", "D"][at], at_text(row.1), row = row.0)
    };
    fn at_text(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;")
    }
    (first..)
        .zip(cells)
        .map(|(row, cells)| {
            let numbered: Vec<(usize, &str)> = cells.iter().map(|text| (row, *text)).collect();
            let cells: String = numbered.iter().enumerate().filter(|(_, (_, text))| !text.is_empty()).map(cell).collect();
            format!("<row r=\"{row}\">{cells}</row>")
        })
        .collect()
}

fn table_rows() -> Vec<Vec<&'static str>> {
    ROWS.iter().map(|(text, label)| vec![*text, *label]).collect()
}

/// The rows sorted by label, the label in the first row of each class only.
fn blocks() -> Vec<Vec<&'static str>> {
    let of = |label: &'static str| {
        let texts = ROWS.iter().filter(move |row| row.1 == label).map(|row| row.0);
        texts.enumerate().map(move |(at, text)| vec![if at == 0 { label } else { "" }, text])
    };
    ["billing", "delivery", "login"].into_iter().flat_map(of).collect()
}

fn headed(names: [&'static str; 2], mut rows: Vec<Vec<&'static str>>) -> Vec<Vec<&'static str>> {
    rows.insert(0, names.to_vec());
    rows
}

fn single(rows: String, behind: &'static str) -> Vec<u8> {
    book(&[("Sheet", "", rows, behind)])
}

#[track_caller]
fn assert_blocks(found: &Table, first: u64) {
    let read: Vec<String> = found.rows.iter().map(|row| format!("{}:{}", row[1], row[0])).collect();
    let wanted: Vec<String> = ["billing", "delivery", "login"]
        .iter()
        .flat_map(|label| ROWS.iter().filter(move |row| row.1 == *label))
        .map(|row| format!("{}:{}", row.0, row.1))
        .collect();
    assert_eq!(read, wanted, "{:?}", found.notes);
    assert_eq!(found.row_numbers[0], first);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_workbook_that_begins_with_prose_tells_its_sheets() {
    let prose = rows(1, &[vec!["How to fill in"], vec!["One ticket in each row, and its queue"]]);
    let tickets = rows(1, &headed(["text", "label"], table_rows()));
    let bytes =
        book(&[("Read me", "", prose, ""), ("May & June".replace('&', "&amp;").as_str(), "state=\"hidden\"", tickets, "")]);
    assert!(matches!(Table::from_bytes(&bytes), Err(Error::Data { .. })), "the first sheet is no table");
    assert_eq!(Table::sheets(&bytes), ["Read me", "May & June"]);
    let chosen = Table::read(&bytes, &DataConfig { sheet: Some("May & June".into()), ..DataConfig::default() });
    let chosen = chosen.expect("the other one is a table");
    assert_eq!((chosen.columns[0].as_str(), chosen.rows.len()), ("text", ROWS.len()));
    for other in [b"text,label\na,b\n".as_slice(), b"PK\x03\x04xl/workbook.xml", b""] {
        assert!(Table::sheets(other).is_empty(), "no workbook, or none that can be read");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_sheet_is_chosen_by_its_name() {
    let readme =
        rows(1, &[vec!["How to fill in"], vec!["Put one ticket in each row", "and its queue"], vec!["Ask Ines", "if unsure"]]);
    let data = rows(1, &headed(["ticket", "queue"], table_rows()));
    let bytes = book(&[
        ("Read me", "", readme, ""),
        ("Data & more".replace('&', "&amp;").leak(), "", data, ""),
        ("Empty", "", String::new(), ""),
        ("Old", "state=\"hidden\"", rows(1, &table_rows()), ""),
    ]);
    let first = table(&bytes);
    // The first sheet is text for people: the one behind it has the texts and labels.
    assert_eq!((first.sheet.as_deref(), first.rows.len()), (Some("Data & more"), 9));
    assert_eq!(first.sheets, ["Read me", "Data & more", "Empty", "Old"]);
    assert!(
        first.notes[0]
            == "only the sheet `Data & more` is read; the sheets `Read me`, `Empty`, `Old` are not (`Read me`, which is before it, does not look like a table of texts and labels); --sheet selects another one",
        "{:?}",
        first.notes
    );
    let named = |sheet: &str| Table::read(&bytes, &DataConfig { sheet: Some(sheet.into()), ..DataConfig::default() });
    for name in ["Data & more", "data & MORE", " Data & more "] {
        let found = named(name).unwrap();
        assert_eq!(found.sheet.as_deref(), Some("Data & more"));
        assert_rows(&found, [0, 1], str::to_owned, 2, name);
    }
    assert_eq!(named("Read me").unwrap().rows.len(), 3, "a sheet that is named is read, whatever it holds");
    assert_eq!(named("Old").unwrap().rows.len(), 9, "a hidden sheet that is named is read");
    for (name, what, to_do) in [
        ("Sheet9", "has no sheet `Sheet9`", "`Read me`, `Data & more`"),
        ("Empty", "the sheet `Empty` is empty", "a text and a label"),
    ] {
        match named(name) {
            Err(Error::Data { problem, hint, .. }) => {
                assert!(problem.contains(what) && hint.contains(to_do), "{problem} ({hint})");
            }
            other => panic!("{other:?}"),
        }
    }
    // A held-out file need not have it, a CSV has none.
    let config = DataConfig { sheet: Some("Data & more".into()), ..DataConfig::default() };
    let other = single(rows(1, &headed(["ticket", "queue"], table_rows())), "");
    assert_eq!(Table::read_beside(&other, &config).unwrap().sheet.as_deref(), Some("Sheet"));
    assert_eq!(Table::read_beside(&bytes, &config).unwrap().sheet.as_deref(), Some("Data & more"));
    assert_eq!(Table::read(b"text,label\na b,x\nc d,y\n", &config).unwrap().sheet, None);
    let view = TableView::new(named("Data & more").unwrap(), &config);
    assert_eq!(
        (view.sheets.len(), view.sheet.as_deref(), view.head[0].cells.join("+")),
        (4, Some("Data & more"), "ticket+queue".into())
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn hidden_rows_and_missing_values_are_said() {
    let data = rows(1, &headed(["ticket", "queue"], table_rows()));
    let hidden = [3, 6, 9].iter().fold(data.clone(), |data, row| {
        data.replace(&format!("<row r=\"{row}\">"), &format!("<row r=\"{row}\" spans=\"1:2\" hidden=\"1\">"))
    });
    let found = table(single(hidden, ""));
    assert_rows(&found, [0, 1], str::to_owned, 2, "hidden");
    assert_note(&found, "3 rows (3, 6, 9) are hidden in the sheet, manually or by a filter; hidden rows are also read", "hidden");
    let shown = data.replace("<row r=\"3\">", "<row r=\"3\" hidden=\"0\">");
    assert_eq!(table(single(shown, "")).notes, [""; 0]);
    // Formulas that nobody has computed, beside those that give nothing.
    let formula = |row: usize, cell: &str| {
        data.replace(&format!("<row r=\"{row}\">"), &format!("<row r=\"{row}\"><c r=\"C{row}\">{cell}</c>"))
    };
    let found = table(single(formula(4, "<f>B4</f><v/>"), ""));
    assert!(
        found.notes.iter().any(|note| note.starts_with("1 row (4) has formulas whose values are not in the file")),
        "{:?}",
        found.notes
    );
    assert_eq!(
        table(single(formula(4, "<f>B4</f><v>3</v>"), "").as_slice())
            .notes
            .iter()
            .filter(|note| note.contains("formulas"))
            .count(),
        0
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn merged_cells_have_one_value() {
    let data = rows(1, &headed(["queue", "ticket"], blocks()));
    let merged =
        "<mergeCells count=\"3\"><mergeCell ref=\"A5:A7\"/><mergeCell ref=\"A2:A4\"/><mergeCell ref=\"A8:A10\"/></mergeCells>";
    let found = table(single(data.clone(), merged));
    assert_blocks(&found, 2);
    assert_note(&found, "6 rows (3, 4, 6, 7, 9, ...) have cells that are merged with the cell above and get its value", "merged");
    // Across columns nothing is repeated: there are two columns as before.
    let across = "<mergeCells count=\"2\"><mergeCell ref=\"B2:D2\"/><mergeCell ref=\"B1:D1\"/></mergeCells>";
    let found = table(single(rows(1, &headed(["ticket", "queue"], table_rows())), across));
    assert_eq!((found.columns.join("+"), found.notes.len()), ("ticket+queue".into(), 0));
    // Two rows of names, some of them merged.
    let mut two = vec![vec!["Ticket", "Meta"], vec!["", "Queue", "Agent"]];
    two.extend(ROWS.iter().map(|(text, label)| vec![*text, *label, "Ines"]));
    let found =
        table(single(rows(1, &two), "<mergeCells count=\"2\"><mergeCell ref=\"A1:A2\"/><mergeCell ref=\"B1:C1\"/></mergeCells>"));
    assert_eq!((found.columns.join("+"), found.rows.len()), ("Ticket+Queue+Agent".into(), 9));
    // Regions without end, or that lie over one another, take no time and no memory.
    let far: String = (0..200).map(|at| format!("<mergeCell ref=\"A{}:XFD1048576\"/>", at + 2)).collect();
    let found = table(single(data, format!("<mergeCells count=\"200\">{far}</mergeCells>").leak()));
    assert_eq!(found.rows.len(), 9);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_label_in_the_first_row_of_its_block_is_filled_down() {
    let sheet = table(single(rows(1, &headed(["queue", "ticket"], blocks())), ""));
    assert_blocks(&sheet, 2);
    let note =
        "the column `queue` has a value only in the first row of each block: 6 rows (3, 4, 6, 7, 9, ...) get the value above";
    assert_note(&sheet, note, "sheet");
    let csv = |rows: &[Vec<&str>]| rows.iter().map(|row| format!("{},{}\n", row[0], row[1])).collect::<String>();
    let text = csv(&headed(["queue", "ticket"], blocks()));
    let found = table(&text);
    assert_blocks(&found, 2);
    assert_note(&found, note, "CSV");
    let apart = text.replace("delivery,", "\ndelivery,").replace("login,", "\nlogin,");
    assert_eq!(table(apart).rows.iter().filter(|row| row[0].is_empty()).count(), 0, "blank lines between the blocks");
    // Blocks of one length, whose labels come again.
    let again = csv(&headed(["queue", "ticket"], blocks()))
        + &csv(&blocks()).replace(",", ",once more, ").replace(",once more, ", ",once more ");
    assert_eq!(table(again).rows.iter().filter(|row| row[0].is_empty()).count(), 0);
    // Four labels in a hundred rows: the others have none yet.
    let few = |rows: usize| -> String {
        (0..rows)
            .map(|at| format!("some words of row {at},{}\n", if at % 25 == 0 { ["a", "b", "c", "d"][at / 25] } else { "" }))
            .collect()
    };
    let filled = |text: &str| table(format!("text,label\n{text}")).rows.iter().filter(|row| !row[1].is_empty()).count();
    assert_eq!(filled(&few(100)), 4);
    assert_eq!(filled(&few(40)), 40);
    // What may be a row without a label stays one.
    for (what, labels) in [
        ("labelled so far", ["x", "y", "x", "", "", "", "", "", ""]),
        ("the first is blank", ["", "x", "", "", "y", "", "", "z", ""]),
        ("one label", ["x", "", "", "", "", "", "", "", ""]),
        ("the same twice", ["x", "", "", "x", "", "", "y", "", ""]),
        ("here and there", ["x", "", "y", "", "", "", "x", "", ""]),
        ("a single gap", ["x", "y", "x", "y", "", "x", "y", "x", "y"]),
    ] {
        let text: String =
            ROWS.iter().zip(labels).map(|((words, _), label)| format!("{},{label}\n", words.replace('"', "'"))).collect();
        let found = table(format!("text,label\n{text}"));
        assert_eq!(found.rows.iter().map(|row| row[1].as_str()).collect::<Vec<_>>(), labels, "{what}");
        assert_eq!(found.notes, [""; 0], "{what}");
    }
    // Beside a full column of labels, a column with gaps is none.
    let remarks: String = ROWS
        .iter()
        .enumerate()
        .map(|(at, (text, label))| {
            format!("{},{label},{}\n", text.replace('"', "'"), ["a", "", "", "b", "", "", "c", "", ""][at])
        })
        .collect();
    assert_eq!(table(format!("text,label,remark\n{remarks}")).rows[1][2], "");
}

#[wasm_bindgen_test(unsupported = test)]
fn titles_above_a_sheet_are_left_out() {
    let mut lines = vec![vec!["Help desk, first quarter"], vec!["made on", "2024-04-02"], vec![], vec!["Ticket", "Queue"]];
    lines.extend(table_rows());
    lines.push(vec!["Total", "9"]);
    let found = table(single(rows(1, &lines), "<mergeCells count=\"1\"><mergeCell ref=\"A1:C1\"/></mergeCells>"));
    assert_eq!((found.columns.join("+"), found.header_row), ("Ticket+Queue".into(), Some(4)));
    assert_rows(&found, [0, 1], str::to_owned, 5, "a sheet");
    assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    assert!(
        found.notes[0].starts_with("2 rows (1, 2) are above the header (row 4)")
            && found.notes[1].starts_with("1 row (14) is below"),
        "{:?}",
        found.notes
    );
    let config = DataConfig { header_row: Some(2), ..DataConfig::default() };
    assert_eq!(Table::read(&single(rows(1, &lines), ""), &config).unwrap().columns[0], "made on");
}

/// Numbers of more digits than a workbook keeps, where they matter.
#[wasm_bindgen_test(unsupported = test)]
fn long_numbers_as_labels_are_said() {
    let file = |digits: &str| {
        let row = |at: usize| {
            let number = format!("{digits}{}", at % 2);
            let text = ROWS[at % 9].0.replace("\"", "");
            format!(
                "<row r=\"{at}\"><c r=\"A{at}\" t=\"inlineStr\"><is><t>{text} {at}</t></is></c><c r=\"B{at}\"><v>{number}</v></c></row>"
            )
        };
        table(single((1..9).map(row).collect(), ""))
    };
    let said = |found: &Table| {
        let columns = ColumnChoice { text: 0, label: 1 };
        DataReport::new(found, columns).notes.into_iter().find(|note| note.contains("more than 15 digits"))
    };
    let note = said(&file("1234567890123456")).expect("17 digits");
    assert!(note.starts_with("8 rows (1, 2, 3, 4, 5, ...) have a whole number of more than 15 digits"), "{note}");
    assert_eq!(said(&file("12345678901234")), None, "15 digits");
}
