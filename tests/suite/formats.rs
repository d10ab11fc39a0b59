//! JSON as a table, tables that are too large, and advice about what was read.

use softprompt::config::DataConfig;
use softprompt::data::dataset::{ColumnChoice, DataReport};
use softprompt::data::table::{Format, Table};
use softprompt::error::Error;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::table;

/// What is wrong, what to do, in which row.
pub fn refused(bytes: impl AsRef<[u8]>) -> (String, String, Option<u64>) {
    match Table::from_bytes(bytes.as_ref()) {
        Err(Error::Data { problem, hint, row, .. }) => {
            assert!(!hint.is_empty(), "{problem}: no hint");
            (problem, hint, row)
        }
        other => panic!("{:?}", other.map(|table| table.rows.len())),
    }
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
    // Lists and objects are read as JSON text, without a note: the column may not be used.
    let nested = table(
        "{\"text\":\"a\\u0000b\",\"label\":\"x\",\"tags\":[\"p\",{\"q\":1}]}\n{\"text\":\"c\",\"label\":\"y\",\"tags\":[]}\n",
    );
    assert_eq!(nested.rows[0], ["ab", "x", "[\"p\",{\"q\":1}]"]);
    assert!(nested.notes.is_empty(), "{:?}", nested.notes);
    assert_eq!(nested.rows[1], ["c", "y", "[]"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn bad_json_says_where_and_what_to_do() {
    let good = "{\"text\": \"a b\", \"label\": \"x\"}\n";
    let bad = |line: &str| refused(format!("{good}{good}\n{line}\n{good}"));
    for (line, what, to_do) in [
        ("{\"text\": \"c\", \"label\": NaN}", "character 24", "write null"),
        ("{\"text\": \"c\", \"label\": None}", "not a JSON object", "JSON has no None: write null"),
        ("{\"text\": \"c\", \"label\": True}", "not a JSON object", "write true"),
        ("{\"text\": \"c\", \"label\": -Infinity}", "not a JSON object", "write null"),
        ("{'text': 'c', 'label': 'x'}", "not a JSON object", "double quotes"),
        ("{\"text\": \"c\", \"label\": \"x\"", "does not end", "on its own line"),
        ("{\"text\": \"c\" \"label\": \"x\"}", "expected `,` or `}`", "write every row as an object"),
        ("[\"c\", \"x\"]", "not a JSON object", "write every row as an object"),
        ("c,x", "not a JSON object", "write every row as an object"),
        (&"[".repeat(100_000), "not a JSON object", "write every row as an object"),
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
    // An object over several lines that does not end.
    assert_eq!(refused("{\n  \"text\": \"a\",\n  \"label\": \"x\"\n").2, Some(1));
    // As many names as rows: an index, not a table.
    let many: String = (0..1200).map(|i| format!("{{\"k{i}\": {i}, \"text\": \"a\"}}\n")).collect();
    assert!(refused(many).0.contains("different keys"));
}

#[wasm_bindgen_test(unsupported = test)]
fn tables_that_are_too_large_say_so() {
    let (problem, hint, _) = refused(vec![b'a'; 256_000_001]);
    assert!(problem.contains("256 MB") && hint.contains("fewer rows"), "{problem}");
    let wide = |columns: usize| format!("{}x\n", "a,".repeat(columns - 1));
    assert!(refused(wide(4096).repeat(4200)).0.contains("cells"));
    assert!(refused(wide(1001).repeat(20)).0.contains("1001 columns; the limit is 1000"));
    assert!(refused(wide(200_000).repeat(2)).0.contains("line 1 has more than 100000 separators"));
    assert_eq!(table(wide(1000).repeat(20)).columns.len(), 1000);
    // A million rows and their header are taken.
    let most = format!("text,label\n{}", "a b,x\n".repeat(1 << 20));
    assert_eq!(table(&most).rows.len(), 1 << 20);
    assert!(refused(format!("{most}c d,y\n")).0.contains("1048576 rows"));
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
    assert!(found[1].contains("93% of the rows are in class `x`"), "{found:?}");
    let found = advice(&[("x", 40), ("y", 3), ("z", 4)]);
    assert!(found[0].contains("2 classes have fewer than 10 rows (`y` 3, `z` 4)"), "{found:?}");
    let found = advice(&[("x", 4), ("y", 3), ("z", 2)]);
    assert!(found[0].contains("3 classes in 9 rows are 3.0 rows per class"), "{found:?}");
    assert!(advice(&[("x", 20), ("y", 15)])[0].contains("35 rows can be used"));
    let found = report(&format!("text,label\n{},x\n{},y\nfine,z\n", "same text\n,x".repeat(30), rows("y", 60)));
    assert!(found.advice.iter().any(|advice| advice.contains("of the rows are left out")), "{found:?}");
    let lengths = report("text,label\na b,x\nnaïve好,y\na longer one,x\n").lengths;
    assert_eq!((lengths.shortest, lengths.median, lengths.longest), (3, 6, 12));
}
