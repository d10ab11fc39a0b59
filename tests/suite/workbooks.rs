//! Workbooks as tables, and those that are broken or made to do harm.

use std::io::{Cursor, Read, Write};

use softprompt::config::DataConfig;
use softprompt::data::dataset::{ColumnChoice, DataReport};
use softprompt::data::table::{Format, Table};
use softprompt::error::Error;
use softprompt::rng::Rng;
use wasm_bindgen_test::wasm_bindgen_test;
use web_time::{Duration, Instant};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::common::table;
use crate::common::zipped;
use crate::formats::refused;

/// Written by openpyxl, see `tests/files/make.py`.
const TICKETS: &[u8] = include_bytes!("../files/tickets.xlsx");
/// Written by XlsxWriter, with the texts in a part of their own, as Excel does it.
const SHARED: &[u8] = include_bytes!("../files/shared.xlsx");

/// The parts of a workbook.
fn parts(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let read = |index| {
        let mut content = Vec::new();
        let mut file = zip.by_index(index).unwrap();
        file.read_to_end(&mut content).unwrap();
        (file.name().unwrap().into_owned(), content)
    };
    (0..ZipArchive::new(Cursor::new(bytes)).unwrap().len()).map(read).collect()
}

/// The workbook with one of its parts changed.
fn with_part(workbook: &[u8], part: &str, change: impl Fn(&str) -> String) -> Vec<u8> {
    let mut parts = parts(workbook);
    let (_, content) = parts.iter_mut().find(|(name, _)| name.ends_with(part)).unwrap();
    *content = change(std::str::from_utf8(content).unwrap()).into_bytes();
    zipped(&parts)
}

/// A workbook with one sheet of these rows, texts in their cells.
fn sheet(data: &str) -> Vec<u8> {
    let mut parts = parts(TICKETS);
    for (name, content) in &mut parts {
        if name.ends_with("sheet2.xml") {
            *content = format!(
                "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>{data}</sheetData></worksheet>"
            )
            .into_bytes();
        }
    }
    zipped(&parts)
}

#[wasm_bindgen_test(unsupported = test)]
fn a_workbook_is_read_as_its_program_shows_it() {
    let found = table(TICKETS);
    assert_eq!((found.format, found.has_header), (Format::Xlsx, true));
    // The empty column on the left is left out, the blank row is counted.
    assert_eq!(found.columns, ["Number", "Ticket text", "Queue", "Received", "Score", "Open", "Waited"]);
    assert_eq!(found.row_numbers[..4], [2, 3, 4, 6]);
    assert_eq!(found.rows.len(), 43);
    assert_eq!(
        found.rows[0],
        [
            "1",
            "one\nof two lines, with \"quotes\" & <b>markup</b>",
            "BookRestaurant",
            "2024-02-28 09:05:00",
            "0.3",
            "TRUE",
            "26:03:04"
        ]
    );
    assert_eq!(found.rows[1][1..5], ["naïve 好 😀", "PlayMusic", "2024-02-29", "0.25"]);
    assert_eq!(found.rows[4][4], "1");
    assert_eq!(found.rows[42][3..], ["07:30:00", "12345678901", "#N/A", ""]);
    assert_eq!(found.rows[42][0], "");
    assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    assert_eq!(
        found.notes[0],
        "only the sheet `Tickets` is read; the sheets `Cover`, `Notes`, `Old` are not; --sheet selects another one"
    );
    assert!(found.notes[1].starts_with("1 row (45) has formulas whose values are not in the file"), "{:?}", found.notes);
    assert_eq!(found.sheets, ["Cover", "Tickets", "Notes", "Old"]);
    assert_eq!((found.sheet.as_deref(), found.header_row), (Some("Tickets"), Some(1)));
    let columns = ColumnChoice::guess(&found, &DataConfig::default()).unwrap();
    assert_eq!(columns, ColumnChoice { text: 1, label: 2 });
    let report = DataReport::new(&found, columns);
    assert_eq!((report.rows, report.usable, report.classes.len()), (43, 43, 7));
    // And once more by way of a CSV.
    assert_eq!(table(found.to_csv().unwrap()).rows, found.rows);

    let found = table(SHARED);
    assert_eq!(found.columns, ["review", "stars", "day"]);
    let rows: Vec<_> = found.rows.iter().map(|row| row.join("|")).collect();
    assert_eq!(
        rows,
        [
            "good & well|5|2024-05-01",
            "bad <i>and</i> sad|1|2024-05-02",
            "so so|3|2024-05-03",
            "good & well|5|2024-05-04",
            "partly bold text|4|"
        ]
    );
    assert_eq!(found.notes, [""; 0]);
}

#[wasm_bindgen_test(unsupported = test)]
fn broken_workbooks_are_refused() {
    for end in [60, 700, TICKETS.len() / 2, TICKETS.len() - 30, TICKETS.len() - 1] {
        let (problem, hint, _) = refused(&TICKETS[..end]);
        assert!(problem.contains("damaged") || problem.contains("zip"), "{end}: {problem}");
        assert!(hint.contains("save") || hint.contains("unpack"), "{end}: {hint}");
    }
    let mut flipped = TICKETS.to_vec();
    flipped[TICKETS.len() / 2] ^= 0x55;
    assert!(refused(&flipped).0.contains("damaged"));
    assert!(refused(with_part(TICKETS, "workbook.xml", |text| text[..text.len() / 2].to_owned())).0.contains("damaged"));
    assert!(refused(with_part(TICKETS, "sheet2.xml", |text| text[..text.len() / 2].to_owned())).0.contains("damaged"));
    // A sheet without content is passed over.
    assert!(table(sheet("")).notes[0].contains("only the sheet `Notes` is read"));
    // A binary workbook and an old one are not this format, and a zip is none.
    let binary = zipped(&[("[Content_Types].xml", &b"<Types/>"[..]), ("xl/workbook.bin", &[1, 2])]);
    assert!(refused(binary).0.contains(".xlsb"));
    assert!(refused(zipped(&[("a.csv", b"text,label\n")])).0.contains("a zip archive"));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_workbook_that_unpacks_to_gigabytes_is_refused() {
    let bomb = || -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in parts(TICKETS) {
            zip.start_file(name.as_str(), SimpleFileOptions::default().compression_level(Some(1))).unwrap();
            zip.write_all(&content).unwrap();
            if name.ends_with("sheet2.xml") {
                let spaces = vec![b' '; 1 << 20];
                (0..260).for_each(|_| zip.write_all(&spaces).unwrap());
            }
        }
        zip.finish().unwrap().into_inner()
    };
    let honest = bomb();
    assert!(honest.len() < 4_000_000, "{}", honest.len());
    // No timing: in minutes it is refused, unpacked it would not be.
    let quick = |bytes: &[u8]| {
        let begin = Instant::now();
        let (problem, ..) = refused(bytes);
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(120), "{problem} after {took:?}");
        problem
    };
    assert!(quick(&honest).contains("256 MB when it is unpacked"));
    // The same, but its zip says that the part is small: in the central directory, and in front of the part.
    let size = (parts_size(TICKETS, "sheet2.xml") + (260 << 20)) as u32;
    let mut lying = honest.clone();
    let mut patched = 0;
    for at in 0..lying.len() - 4 {
        if lying[at..at + 4] == size.to_le_bytes() {
            lying[at..at + 4].copy_from_slice(&1000_u32.to_le_bytes());
            patched += 1;
        }
    }
    assert!(patched >= 1, "the size stands in the zip");
    let problem = quick(&lying);
    assert!(problem.contains("256 MB when it is unpacked") || problem.contains("damaged"), "{problem}");
}

fn parts_size(bytes: &[u8], part: &str) -> usize {
    parts(bytes).iter().find(|(name, _)| name.ends_with(part)).unwrap().1.len()
}

#[wasm_bindgen_test(unsupported = test)]
fn a_workbook_cannot_ask_for_more_memory_than_it_has_bytes() {
    // Room for as many texts as it says would be made.
    for count in ["18446744073709551615", "99999999999", "4000000000"] {
        let strings = |before: &str| {
            with_part(SHARED, "sharedStrings.xml", |text| {
                let at = text.find("uniqueCount=\"").unwrap() + 13;
                let end = at + text[at..].find('"').unwrap();
                format!("{}{count}{}", &text[..at], &text[end..]).replace("<sst", &format!("{before}<sst"))
            })
        };
        assert!(refused(strings("")).0.contains("more texts than it has bytes"));
        assert!(refused(strings("<!-- sst> -->")).0.contains("more texts than it has bytes"));
        assert!(refused(strings(&format!("<!--{}-->", "-".repeat(5000)))).0.contains("is malformed"));
    }
    // Two cells at the ends of a sheet are 17 billion cells.
    let cell = |place: &str, text: &str| format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let far = sheet(&format!(
        "<row r=\"1\">{}{}</row><row r=\"1048576\">{}{}</row>",
        cell("A1", "text"),
        cell("B1", "label"),
        cell("A1048576", "good and well"),
        cell("XFD1048576", "x")
    ));
    assert!(refused(far).0.contains("16384 columns; the limit is 1000"));
    let rows: String = (1..=500).map(|row| format!("<row r=\"{row}\">{}</row>", cell(&format!("A{row}"), "a b"))).collect();
    assert!(refused(sheet(&rows)).0.contains("only one column"));
}

/// Whatever a file holds, it gives a table or an error.
#[wasm_bindgen_test(unsupported = test)]
fn spoilt_workbooks_never_panic() {
    let mut rng = Rng::stream(5, "spoilt");
    let both = [parts(TICKETS), parts(SHARED)];
    let rounds = if cfg!(target_family = "wasm") { 60 } else { 600 };
    let (mut read, mut refused) = (0, 0);
    for _ in 0..rounds {
        let mut parts = both[rng.below(2)].clone();
        let names: Vec<usize> = (0..parts.len())
            .filter(|&i| {
                ["sheet1.xml", "sheet2.xml", "workbook.xml", "sharedStrings.xml", "styles.xml", "workbook.xml.rels"]
                    .iter()
                    .any(|end| parts[i].0.ends_with(end))
            })
            .collect();
        let content = &mut parts[names[rng.below(names.len())]].1;
        for _ in 0..1 + rng.below(4) {
            let at = rng.below(content.len());
            match rng.below(4) {
                0 => content[at] = rng.below(256) as u8,
                1 => content.truncate(at.max(1)),
                2 => drop(content.drain(at..(at + 1 + rng.below(40)).min(content.len()))),
                // A digit becomes another one: references and counts.
                _ => {
                    if let Some(digit) = content[at..].iter().position(u8::is_ascii_digit) {
                        content[at + digit] = b'0' + rng.below(10) as u8;
                    }
                }
            }
            if content.is_empty() {
                content.push(b'<');
            }
        }
        match Table::from_bytes(&zipped(&parts)) {
            Ok(_) => read += 1,
            Err(Error::Data { .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(read > rounds / 10 && refused > rounds / 10, "{read} read, {refused} refused");
}
