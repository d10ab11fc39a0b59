//! JSON and workbooks as tables, and those that are broken or made to do harm.

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

/// Written by openpyxl, see `tests/files/make.py`.
const TICKETS: &[u8] = include_bytes!("../files/tickets.xlsx");

fn table(bytes: impl AsRef<[u8]>) -> Table {
    Table::from_bytes(bytes.as_ref()).unwrap_or_else(|error| panic!("{error} ({})", error.hint()))
}

/// What is wrong, what to do, in which row.
fn refused(bytes: impl AsRef<[u8]>) -> (String, String, Option<u64>) {
    match Table::from_bytes(bytes.as_ref()) {
        Err(Error::Data { problem, hint, row, .. }) => {
            assert!(!hint.is_empty(), "{problem}: no hint");
            (problem, hint, row)
        }
        other => panic!("{:?}", other.map(|table| table.rows.len())),
    }
}

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

fn packed(parts: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The workbook with one of its parts changed.
fn with_part(part: &str, change: impl Fn(&str) -> String) -> Vec<u8> {
    let mut parts = parts(TICKETS);
    let (_, content) = parts.iter_mut().find(|(name, _)| name.ends_with(part)).unwrap();
    *content = change(std::str::from_utf8(content).unwrap()).into_bytes();
    packed(&parts)
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
    packed(&parts)
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
    assert_eq!(found.notes, ["only the sheet `Tickets` is read; the workbook has 3 more"]);
    let columns = ColumnChoice::guess(&found, &DataConfig::default()).unwrap();
    assert_eq!(columns, ColumnChoice { text: 1, label: 2 });
    let report = DataReport::new(&found, columns);
    assert_eq!((report.rows, report.usable, report.classes.len()), (43, 43, 7));
    // And once more by way of a CSV.
    assert_eq!(table(found.to_csv().unwrap()).rows, found.rows);
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
    assert!(refused(with_part("workbook.xml", |text| text.replace("sheetId", "x"))).0.contains("damaged"));
    assert!(refused(with_part("sheet2.xml", |text| text[..text.len() / 2].to_owned())).0.contains("damaged"));
    assert!(refused(sheet("")).0.contains("header but no rows") || refused(sheet("")).0.contains("one column"));
    // A binary workbook and an old one are not this format, and a zip is none.
    let binary = packed(&[("[Content_Types].xml".into(), b"<Types/>".to_vec()), ("xl/workbook.bin".into(), vec![1, 2])]);
    assert!(refused(binary).0.contains(".xlsb"));
    assert!(refused(packed(&[("a.csv".into(), b"text,label\n".to_vec())])).0.contains("a zip archive"));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_workbook_that_unpacks_to_gigabytes_is_refused_quickly() {
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
    let quick = |bytes: &[u8]| {
        let begin = Instant::now();
        let (problem, ..) = refused(bytes);
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(if cfg!(target_family = "wasm") { 10 } else { 3 }), "{problem} after {took:?}");
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
            with_part("sharedStrings.xml", |text| {
                let at = text.find("uniqueCount=\"").unwrap() + 13;
                let end = at + text[at..].find('"').unwrap();
                format!("{}{count}{}", &text[..at], &text[end..]).replace("<sst", &format!("{before}<sst"))
            })
        };
        assert!(refused(strings("")).0.contains("more texts than it has bytes"));
        assert!(refused(strings("<!-- sst> -->")).0.contains("more texts than it has bytes"));
        assert!(refused(strings(&format!("<!--{}-->", "-".repeat(5000)))).0.contains("does not begin like one"));
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
    // Only two rows have something: that is no more than 2 x 16,384 cells.
    let found = table(far);
    assert_eq!((found.rows.len(), found.columns.len(), found.row_numbers[0]), (1, 16384, 1_048_576));
    let rows: String = (1..=2000)
        .map(|row| format!("<row r=\"{row}\">{}{}</row>", cell(&format!("A{row}"), "a b"), cell(&format!("XFD{row}"), "x")))
        .collect();
    assert!(refused(sheet(&rows)).0.contains("cells that are taken"));
}

/// Whatever a file holds, it gives a table or an error.
#[wasm_bindgen_test(unsupported = test)]
fn spoilt_workbooks_never_panic() {
    let mut rng = Rng::stream(5, "spoilt");
    let whole = parts(TICKETS);
    let rounds = if cfg!(target_family = "wasm") { 60 } else { 600 };
    let (mut read, mut refused) = (0, 0);
    for _ in 0..rounds {
        let mut parts = whole.clone();
        let names: Vec<usize> = (0..parts.len())
            .filter(|&i| {
                ["sheet2.xml", "workbook.xml", "sharedStrings.xml", "styles.xml", "workbook.xml.rels"]
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
        match Table::from_bytes(&packed(&parts)) {
            Ok(_) => read += 1,
            Err(Error::Data { .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(read > rounds / 10 && refused > rounds / 10, "{read} read, {refused} refused");
}

#[wasm_bindgen_test(unsupported = test)]
fn json_objects_are_rows() {
    let lines = "{\"id\": 1, \"text\": \"so \\\"good\\\",\\nreally\", \"label\": \"x\"}\r\n\n{\"text\":\"bad\",\"label\":null,\"id\":2.0}\n{\"label\":true,\"score\":0.30000000000000004,\"text\":\"naïve 好\"}\n";
    let found = table(lines);
    assert_eq!((found.format, found.has_header), (Format::Jsonl, true));
    assert_eq!(found.columns, ["id", "text", "label", "score"]);
    assert_eq!(found.rows[0], ["1", "so \"good\",\nreally", "x", ""]);
    assert_eq!(found.rows[1], ["2", "bad", "", ""]);
    assert_eq!(found.rows[2], ["", "naïve 好", "true", "0.3"]);
    assert_eq!(found.row_numbers, [1, 3, 4]);
    let list = "[ {\"text\": \"a b\", \"label\": 1},\n\n {\"text\": \"c d\", \"label\": 2} ]";
    let found = table(list);
    assert_eq!((found.format, found.rows.len(), found.row_numbers[1]), (Format::Json, 2, 2));
    // As a spreadsheet program in Windows would save it.
    let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(list.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(table(utf16).rows, found.rows);
    // Lists and objects stay what they are, and it is said.
    let nested = table(
        "{\"text\":\"a\\u0000b\",\"label\":\"x\",\"tags\":[\"p\",{\"q\":1}]}\n{\"text\":\"c\",\"label\":\"y\",\"tags\":[]}\n",
    );
    assert_eq!(nested.rows[0], ["ab", "x", "[\"p\",{\"q\":1}]"]);
    assert!(nested.notes[0].starts_with("2 rows (1, 2) have lists or objects"), "{:?}", nested.notes);
}

#[wasm_bindgen_test(unsupported = test)]
fn bad_json_says_where_and_what_to_do() {
    let good = "{\"text\": \"a b\", \"label\": \"x\"}\n";
    let bad = |line: &str| refused(format!("{good}{good}\n{line}\n{good}"));
    for (line, what, to_do) in [
        ("{\"text\": \"c\", \"label\": NaN}", "letter 24", "write null"),
        ("{\"text\": \"c\", \"label\": None}", "no JSON object", "JSON has no None: write null"),
        ("{\"text\": \"c\", \"label\": True}", "no JSON object", "write true"),
        ("{\"text\": \"c\", \"label\": -Infinity}", "no JSON object", "write null"),
        ("{'text': 'c', 'label': 'x'}", "no JSON object", "double quotes"),
        ("{\"text\": \"c\", \"label\": \"x\"", "does not end", "line of its own"),
        ("{\"text\": \"c\" \"label\": \"x\"}", "expected `,` or `}`", "write every row as an object"),
        ("[\"c\", \"x\"]", "expected an object", "write every row as an object"),
        ("c,x", "no JSON object", "write every row as an object"),
        (&"[".repeat(100_000), "no JSON object", "write every row as an object"),
        (&format!("{{\"text\":{}", "[".repeat(100_000)), "recursion", "write every row as an object"),
    ] {
        let (problem, hint, row) = bad(line);
        let line = &line[..line.len().min(60)];
        assert!(problem.contains(what) && hint.contains(to_do), "{line}: {problem} ({hint})");
        assert_eq!(row, Some(4), "{line}");
    }
    let (_, hint, row) = refused("[{\"text\": \"a\", \"label\": \"x\"},\n{\"text\": \"b\", \"label\": NaN}]");
    assert!(hint.contains("write null"), "{hint}");
    assert_eq!(row, Some(2));
    let (problem, hint, row) = refused("[{\"text\": \"a\", \"label\": \"x\"},\n {\"text\": \"b\"");
    assert!(problem.contains("EOF") && !hint.is_empty(), "{problem}");
    assert_eq!(row, Some(2));
    // An object over several lines.
    assert_eq!(refused("{\n  \"text\": \"a\",\n  \"label\": \"x\"\n}\n").2, Some(1));
    // As many names as rows: an index, not a table.
    let many: String = (0..1200).map(|i| format!("{{\"k{i}\": {i}, \"text\": \"a\"}}\n")).collect();
    assert!(refused(many).0.contains("different names"));
}

#[wasm_bindgen_test(unsupported = test)]
fn tables_that_are_too_large_say_so() {
    let (problem, hint, _) = refused(vec![b'a'; 256_000_001]);
    assert!(problem.contains("256 MB") && hint.contains("fewer rows"), "{problem}");
    let rows = "a b,x\n".repeat((1 << 20) + 1);
    assert!(refused(rows).0.contains("1048576 rows"));
    let wide = format!("{}x\n", "a,".repeat(4096)).repeat(4200);
    assert!(refused(wide).0.contains("cells that are taken"));
}

#[wasm_bindgen_test(unsupported = test)]
fn advice_is_given_where_it_helps() {
    let report = |text: &str| {
        let found = table(text);
        DataReport::new(&found, ColumnChoice::guess(&found, &DataConfig::default()).unwrap())
    };
    let rows =
        |label: &str, count: usize| (0..count).map(|i| format!("some text of {label} number {i},{label}\n")).collect::<String>();
    let advice = |parts: &[(&str, usize)]| {
        report(&format!("text,label\n{}", parts.iter().map(|(label, count)| rows(label, *count)).collect::<String>())).advice
    };
    assert_eq!(advice(&[("x", 40), ("y", 30)]), [""; 0]);
    let found = advice(&[("x", 40), ("y", 3)]);
    assert!(found[0].contains("class `y` has only 3 rows"), "{found:?}");
    assert!(found[1].contains("93 % of the rows are of class `x`"), "{found:?}");
    let found = advice(&[("x", 40), ("y", 3), ("z", 4)]);
    assert!(found[0].contains("2 classes have fewer than 10 rows (`y` 3, `z` 4)"), "{found:?}");
    let found = advice(&[("x", 4), ("y", 3), ("z", 2)]);
    assert!(found[0].contains("3 classes for 9 rows are 3.0 rows a class"), "{found:?}");
    assert!(advice(&[("x", 20), ("y", 15)])[0].contains("35 rows can be used"));
    let found = report(&format!("text,label\n{},x\n{},y\nfine,z\n", "same text\n,x".repeat(30), rows("y", 60)));
    assert!(found.advice.iter().any(|advice| advice.contains("of the rows are not used")), "{found:?}");
    let lengths = report("text,label\na b,x\nnaïve好,y\na longer one,x\n").lengths;
    assert_eq!((lengths.shortest, lengths.median, lengths.longest), (3, 6, 12));
}
