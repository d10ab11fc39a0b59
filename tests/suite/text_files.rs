//! Files of texts to classify: whatever training reads, files with a text column only, and a text a line.

use softprompt::config::DataConfig;
use softprompt::data::dataset::text_alone;
use softprompt::data::table::{Format, Table, Written};
use softprompt::error::Error;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::zipped;

const TEXTS: [&str; 3] =
    ["the invoice for the café was charged twice", "parcel 7 is still at the depot", "reset, code 5 never reaches my phone"];

fn open(bytes: impl AsRef<[u8]>, name: &str) -> Table {
    Table::of_texts(bytes.as_ref(), Written::by_name(name), Some("remark"), &DataConfig::default())
        .unwrap_or_else(|error| panic!("{name}: {error} ({})", error.hint()))
}

fn texts(table: &Table) -> Vec<&str> {
    let column = text_alone(table).unwrap();
    table.rows.iter().map(|row| row[column].as_str()).collect()
}

fn refused(bytes: &[u8], name: &str) -> (String, Option<u64>) {
    match Table::of_texts(bytes, Written::by_name(name), None, &DataConfig::default()) {
        Err(Error::Data { problem, hint, row, .. }) if !hint.is_empty() => (problem, row),
        other => panic!("{other:?}"),
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn files_with_one_column_are_texts() {
    let quoted: String = TEXTS.iter().map(|text| format!("\"{text}\"\n")).collect();
    let plain: String = TEXTS.iter().map(|text| format!("{text}\n")).collect();
    let objects: String = TEXTS.iter().map(|text| format!("{{\"text\": \"{text}\"}}\n")).collect();
    for (name, file, header, first_row) in [
        ("a.csv", format!("text\n{quoted}"), Some("text"), 2),
        ("a.csv", format!("\"text\"\n{quoted}"), Some("text"), 2),
        ("a.csv", format!("\u{feff}Remark\r\n{}", quoted.replace('\n', "\r\n")), Some("Remark"), 2),
        ("a.csv", format!("ticket\n{plain}"), Some("ticket"), 2),
        ("a.csv", format!("ticket_body\n{quoted}"), Some("ticket_body"), 2),
        ("a.tsv", format!("text\n{plain}"), Some("text"), 2),
        ("a.tsv", plain.clone(), None, 1),
        ("a.csv", quoted.clone(), None, 1),
        ("a.csv", format!("text,label\n{}", quoted.replace("\"\n", "\",\n")), Some("text"), 2),
        ("a.jsonl", objects.clone(), Some("text"), 1),
        ("a.json", format!("[{}]", objects.trim_end().replace('\n', ", ")), Some("text"), 1),
        ("a.json", format!("[\n  {}\n]", quoted.trim_end().replace('\n', ",\n  ")), None, 1),
        ("a.txt", plain.clone(), None, 1),
        ("a.txt", format!("text\n{plain}"), Some("text"), 2),
        ("a", plain.clone(), None, 1),
        ("a.txt", objects, Some("text"), 1),
    ] {
        let found = open(&file, name);
        assert_eq!(texts(&found), TEXTS, "{name}: {file}");
        assert_eq!(
            (found.has_header.then(|| found.columns[text_alone(&found).unwrap()].as_str()), found.row_numbers[0]),
            (header, first_row),
            "{name}: {file}"
        );
    }
    // To learn from, there has to be a second column.
    assert!(Table::from_bytes(format!("text\n{quoted}").as_bytes()).is_err());
}

#[wasm_bindgen_test(unsupported = test)]
fn workbooks_with_one_column_are_texts() {
    let cell =
        |row: usize, text: &str| format!("<row r=\"{row}\"><c r=\"A{row}\" t=\"inlineStr\"><is><t>{text}</t></is></c></row>");
    let rows: String = std::iter::once("text").chain(TEXTS).enumerate().map(|(i, text)| cell(i + 1, text)).collect();
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let book = zipped(&[
        (
            "_rels/.rels",
            format!(
                "<Relationships xmlns=\"{package}\"><Relationship Id=\"r\" Type=\"{relations}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                "<workbook xmlns=\"{main}\" xmlns:r=\"{relations}\"><sheets><sheet name=\"S\" sheetId=\"1\" r:id=\"s\"/></sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "<Relationships xmlns=\"{package}\"><Relationship Id=\"s\" Type=\"{relations}/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
            ),
        ),
        ("xl/worksheets/sheet1.xml", format!("<worksheet xmlns=\"{main}\"><sheetData>{rows}</sheetData></worksheet>")),
    ]);
    for name in ["a.xlsx", "a.xlsm", "noext"] {
        let found = open(&book, name);
        assert_eq!((texts(&found), found.format, found.columns.len()), (TEXTS.to_vec(), Format::Xlsx, 1));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn lines_are_texts_in_any_encoding_and_with_any_line_end() {
    let utf16 = |text: &str, big: bool, mark: bool| -> Vec<u8> {
        let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    for end in ["\n", "\r\n", "\r"] {
        let text = TEXTS.map(|text| format!("{text}{end}")).concat();
        let cp1252: Vec<u8> = text.chars().map(|letter| if letter == 'é' { 0xE9 } else { letter as u8 }).collect();
        for (bytes, encoding) in [
            (text.clone().into_bytes(), "UTF-8"),
            (format!("\u{feff}{text}").into_bytes(), "UTF-8"),
            (text.trim_end().to_owned().into_bytes(), "UTF-8"),
            (cp1252, "windows-1252"),
            (utf16(&text, false, true), "UTF-16LE"),
            (utf16(&text, true, true), "UTF-16BE"),
            (utf16(&text, false, false), "UTF-16LE"),
        ] {
            for name in ["x.txt", "x.log", "x"] {
                let found = open(&bytes, name);
                assert_eq!((texts(&found), found.encoding), (TEXTS.to_vec(), encoding), "{end:?} {name}");
                assert_eq!(found.row_numbers, [1, 2, 3]);
            }
        }
        // A blank line is a row of its own, so that the answers are as many as the lines.
        let blank = open(format!("one text{end}{end}another, one{end}"), "x.txt");
        assert_eq!(blank.rows, [["one text"], [""], ["another, one"]], "{end:?}");
    }
    // Quotes are letters there, and so are commas, however regular.
    let found = open("\"No\", she said, again\nyes, he said, \"so\n\"quoted\"\n", "x.txt");
    assert_eq!(texts(&found), ["\"No\", she said, again", "yes, he said, \"so", "\"quoted\""]);
    // Broken bytes are said.
    let mut damaged: Vec<u8> = "naïve café, ".repeat(12).into();
    damaged.extend(b"\nbroken \xC3 here\n");
    assert_eq!(open(&damaged, "x.txt").notes.len(), 1);
}

#[wasm_bindgen_test(unsupported = test)]
fn tables_are_known_whatever_their_name() {
    for (name, file, column) in [
        ("t.txt", "text\tlabel\nso good\tx\nso bad\ty\n", 0),
        ("t.data", "id,text\n0,so good\n1,so bad\n2,fine\n", 1),
        ("t.CSV", "id,text\n0,so good\n1,so bad\n2,fine\n", 1),
        ("t.txt", "id;remark\n0;so good\n1;so bad\n2;fine\n", 1),
        ("t.csv", "id,ticket_body,date\n0,so good,2024-05-01\n1,so bad,2024-05-02\n2,so fine,2024-05-03\n", 1),
    ] {
        let found = open(file, name);
        assert_eq!((text_alone(&found), found.rows[0][column].as_str()), (Some(column), "so good"), "{name}: {file}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_holds_no_texts_says_so() {
    assert!(refused(b"", "a.txt").0.contains("empty"));
    assert!(refused(b"a\0\0\0b\0\n", "a.txt").0.contains("NUL bytes"));
    assert!(refused(b"text\n\"\"\n\"\xE2\x80\x8B\"\n", "a.csv").0.contains("no texts"));
    assert!(refused(b"[\"\", null]", "a.json").0.contains("no texts"));
    assert!(refused(b"\x89PNG\r\n\x1a\n", "a.csv").0.contains("PNG"));
    assert_eq!(refused(b"{\"text\": \"a\"}\n{\"text\": NaN}\n", "a.jsonl").1, Some(2));
    // What is wrong with a table is not taken for texts.
    assert!(refused(b"note,label\n\"a, b,1\nc, d,0\ne, f,1\n", "a.csv").1 == Some(2));
    assert!(refused(b"id\ttext\n", "a.tsv").0.contains("no rows"));
    // Commas in a file of tabs are letters, however irregular.
    assert_eq!(texts(&open("so, good\nso bad\nso, so, so\nfine\n", "a.tsv")), ["so, good", "so bad", "so, so, so", "fine"]);
    // A quote that never closes must not swallow the rows behind it: quotes are letters then.
    let found = open("text\n\"so good\nso bad\nfine\n", "a.csv");
    assert_eq!(texts(&found), ["\"so good", "so bad", "fine"]);
}
