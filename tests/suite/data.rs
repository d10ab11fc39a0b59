//! From bytes to a data set, on small files that each hold one trap.

use softprompt::config::DataConfig;
use softprompt::data::dataset::Dataset;
use softprompt::data::table::Table;
use softprompt::error::{Error, Result};
use softprompt::rng::Rng;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::table;

pub const WORDS: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];

fn cells(bytes: impl AsRef<[u8]>) -> Vec<Vec<String>> {
    table(bytes).rows
}

pub fn dataset(text: &str) -> Result<Dataset> {
    Dataset::from_table(&table(text), &DataConfig::default(), 0)
}

/// What is wrong, in which row, in which column.
pub fn data_error<T: std::fmt::Debug>(result: Result<T>) -> (String, Option<u64>, Option<String>) {
    match result.unwrap_err() {
        Error::Data { problem, hint, row, column } => {
            assert!(!hint.is_empty(), "{problem}: no hint");
            (problem, row, column)
        }
        other => panic!("{other:?}"),
    }
}

/// A headed file of `rows` texts that all differ, labels taken in turn.
pub fn file(rows: usize, labels: &[&str]) -> String {
    let line = |i: usize| format!("text number {i} {},{}\n", WORDS[i % 6], labels[i % labels.len()]);
    "text,label\n".to_owned() + &(0..rows).map(line).collect::<String>()
}

#[wasm_bindgen_test(unsupported = test)]
fn separators_are_found() {
    for separator in [',', ';', '\t', '|'] {
        let text = "text,label\n\"good, or; so | it\tseems\",pos\nbad,neg\n".replace(',', "\0").replacen("\0 or", ", or", 1);
        let found = table(text.replace('\0', &separator.to_string()));
        assert_eq!(found.separator, separator);
        assert_eq!(found.columns, ["text", "label"]);
        assert_eq!(found.rows, [["good, or; so | it\tseems", "pos"], ["bad", "neg"]]);
    }
    // Commas in the texts, as many in each, do not make a comma file.
    let found = table("text;label\nyes, well;1\nno, never;0\nyes, but;1\nno, no;0\n");
    assert_eq!((found.separator, found.rows[0].join("+")), (';', "yes, well+1".into()));
    let found = table("yes, well, so\tpos\nno, never, no\tneg\nyes, but, so\tpos\n");
    assert_eq!((found.separator, found.has_header), ('\t', false));
    // A list in each row is separated too, but by the lesser separator.
    assert_eq!(table("1,so it is,a;b\n2,it is not,c;d\n").separator, ',');
    // What a spreadsheet says about its own file.
    let found = table("sep=;\r\ntext;label\r\na, b, c;x\r\nd, e, f;y\r\n");
    assert_eq!((found.separator, found.row_numbers), (';', vec![3, 4]));
    assert_eq!(data_error(Table::from_bytes(b"sep=;\ntext;label\n\"a; b;1\nc; d;0\n")).1, Some(3));
}

#[wasm_bindgen_test(unsupported = test)]
fn byte_order_marks_and_utf16_are_decoded() {
    let text = "text,label\r\nnaïve — 好,pos\r\nbad and sad and mad,neg\r\n";
    let utf16 = |big: bool, mark: bool| -> Vec<u8> {
        let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let marked = [b"\xEF\xBB\xBF", text.as_bytes()].concat();
    for (bytes, encoding) in [
        (text.as_bytes().to_vec(), "UTF-8"),
        (marked, "UTF-8"),
        (utf16(false, true), "UTF-16LE"),
        (utf16(true, true), "UTF-16BE"),
        (utf16(false, false), "UTF-16LE"),
        (utf16(true, false), "UTF-16BE"),
    ] {
        let found = table(bytes);
        assert_eq!(found.encoding, encoding);
        assert_eq!(found.columns, ["text", "label"]);
        assert_eq!(found.rows[0], ["naïve — 好", "pos"]);
    }
    // Hardly a NUL to know UTF-16 by, were it not for the mark.
    let chinese: Vec<u8> = "\u{FEFF}很好看,好\n不好看,坏\n好看,好\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(cells(chinese)[1], ["不好看", "坏"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn eight_bit_encodings_are_guessed() {
    // The trap of the Kaggle export of the SMS collection: a pound sign in windows-1252, and columns without a name.
    let found =
        table(b"v1,v2,,,\r\nham,Ok lar... caf\xE9 ol\xE9,,,\r\nspam,\"Win \xA31,000 now\",,,\r\nham,see you, later,,\r\n");
    assert_eq!(found.encoding, "windows-1252");
    assert_eq!(found.columns, ["v1", "v2", "column 3"]);
    assert_eq!(found.rows[0][1], "Ok lar... café olé");
    assert_eq!(found.rows[1], ["spam", "Win £1,000 now", ""]);
    assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    assert!(found.notes[1].starts_with("1 row (4) has cells in mostly empty columns"), "{:?}", found.notes);
    // Cyrillic in windows-1251.
    let russian = b"text;label\n\xCE\xF7\xE5\xED\xFC \xF5\xEE\xF0\xEE\xF8\xE8\xE9 \xF4\xE8\xEB\xFC\xEC;1\n\xCE\xF7\xE5\xED\xFC \xEF\xEB\xEE\xF5\xEE\xE9 \xF4\xE8\xEB\xFC\xEC;0\n";
    assert_eq!(cells(russian)[0][0], "Очень хороший фильм");
    // One broken byte among many good letters is damage, not another encoding.
    let mut damaged = "text,label\n".to_owned().into_bytes();
    for i in 0..30 {
        damaged.extend(format!("naïve café {i},{}\n", i % 2).bytes());
    }
    damaged.extend(b"broken \xC3,1\n");
    let found = table(damaged);
    assert_eq!((found.encoding, found.notes.len()), ("UTF-8", 1));
    assert_eq!((found.rows[29][0].as_str(), found.rows[30][0].as_str()), ("naïve café 29", "broken \u{FFFD}"));
}

#[wasm_bindgen_test(unsupported = test)]
fn line_ends_and_blank_lines() {
    for end in ["\n", "\r\n", "\r"] {
        let found = table(format!("text,label{end}a b,x{end}{end}c d,y{end}e f,x"));
        assert_eq!(found.rows, [["a b", "x"], ["c d", "y"], ["e f", "x"]], "{end:?}");
        assert_eq!(found.row_numbers, [2, 4, 5], "{end:?}");
    }
    // U+0085 ends no row (the IMDB file has it inside a text).
    assert_eq!(cells("a\u{85}b\t1\nc d\t0\ne f\t1\n").len(), 3);
}

#[wasm_bindgen_test(unsupported = test)]
fn line_breaks_inside_quotes_start_no_row() {
    // The trap of banking77, with its CRLF between rows and LF inside.
    let found = table("text,label\r\n\"one\n.\",a\r\n\"\n\ntwo\",b\r\n\"a \"\"three\"\", so\",a\r\nfour,b\r\n");
    assert_eq!(found.rows, [["one\n.", "a"], ["\n\ntwo", "b"], ["a \"three\", so", "a"], ["four", "b"]]);
    assert_eq!(found.row_numbers, [2, 3, 4, 5]);
    assert!(found.quoting && found.notes.is_empty());
    // Lines of a letter that have as many commas as the rows, but no label at their end.
    let found = table(
        "text,label\n\"Roses are red,\nviolets are blue,\nso are you\",verse\nplain,prose\n\"one,\ntwo\",verse\nno,prose\n",
    );
    assert_eq!(found.rows.len(), 4);
    assert_eq!(found.rows[0][0], "Roses are red,\nviolets are blue,\nso are you");
}

#[wasm_bindgen_test(unsupported = test)]
fn lone_quotes_are_letters_in_unquoted_files() {
    // The trap of the IMDB file: quotes that open in one row and close, if at all, in another.
    let lone = "\" Great film.  \t1\nfine\t0\nso \"so\t1\n\"You'll love it!  \t1\nbad\t0\nsaid \"no\"\t0\n\" But \"Storm\" is bad\t0\nok\t1\n";
    let found = table(lone);
    assert_eq!(found.rows.len(), 8);
    assert!(!found.quoting && found.notes.is_empty());
    assert_eq!(found.rows[3], ["\"You'll love it!  ", "1"]);
    // Pairs that make sense as quotes, but swallow rows.
    let paired = "ham\t\"hello you\nspam\tbuy now\nham\tbye then\"\nspam\tagain, now\nham\tfine\n";
    let found = table(paired);
    assert_eq!(found.rows.len(), 5);
    assert_eq!(found.rows[0], ["ham", "\"hello you"]);
    // A tab file may be quoted all the same.
    let found = table("text\tlabel\n\"one\ntwo\"\ta\n\"three \"\"3\"\"\"\tb\nfour\ta\n");
    assert_eq!(found.rows, [["one\ntwo", "a"], ["three \"3\"", "b"], ["four", "a"]]);
    // All cells quoted, one badly: still quoted.
    let found = table("\"a b\",\"x\"\n\"c \"d\" e\",\"y\"\n\"f g\",\"x\"\n\"h i\",\"y\"\n");
    assert!(found.quoting);
    assert_eq!((found.rows[2].join("+"), found.notes.len()), ("f g+x".into(), 1));
    // And with a space behind the quotes.
    assert_eq!(cells("\"a b\" ,x\n\"c d\" ,y\n\"e f\" ,x\n")[1], ["c d", "y"]);
    // Quotes written \" (Spark, MySQL).
    let found = table("text,label\n\"he said \\\"no, no\\\", twice\",neg\n\"yes, yes\",pos\n\"so, so\",neg\n");
    assert_eq!(found.rows[0], ["he said \"no, no\", twice", "neg"]);
    assert_eq!(found.rows.len(), 3);
}

#[wasm_bindgen_test(unsupported = test)]
fn headers_are_told_from_rows() {
    for (text, header) in [
        ("text,label\na b,x\nc d,y\n", true),
        ("Utterance;Absicht\nwie geht es;gruss\nguten tag;gruss\nauf wiedersehen;abschied\nbis bald;abschied\n", true),
        ("text,label\ngood,pos\nbad,neg\n", true),
        ("Ihre Meinung;Urteil\nganz gut;ja\nganz schlecht;nein\nso gut;ja\nso lala;nein\n", true),
        ("comment_de;note\nganz gut;1\nschlecht;5\n", true),
        ("0,1\ngood film,1\nbad film,0\n", true),
        ("v1,v2,,,\nham,see you,,,\nspam,buy now,,,\n", true),
        (",text,label\n0,a b,x\n1,c d,y\n", true),
        ("How was it? Tell us,How many stars?\nvery good,5\nbad,1\nfine,5\nsad,1\n", true),
        ("ham\tgo until\nspam\tfree entry\nham\tok lar\n", false),
        ("good film\t1\nbad film\t0\n", false),
        ("1,good film\n0,bad film\n", false),
        ("pos,good film\nneg,bad film\npos,fine film\nneg,sad film\n", false),
        ("text,label\nmessage,label\nno text,label\n", false),
    ] {
        assert_eq!(table(text).has_header, header, "{text}");
    }
    let found = table("1,good film\n0,bad film\n1,fine\n");
    assert_eq!(found.columns, ["column 1", "column 2"]);
    assert_eq!(found.row_numbers, [1, 2, 3]);
    // Columns that are empty to the end are not there; named or not.
    assert_eq!(table("text,label,,\na b,x,,\nc d,y,,\n").columns, ["text", "label"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn files_that_are_no_table_say_what_they_are() {
    let xlsx = b"PK\x03\x04\x14\0\0\0\x08\0\0\0!\0xl/workbook.xml\x8d\x90";
    let cases: &[(&[u8], &str)] = &[
        (b"", "the file is empty"),
        (b" \r\n\n", "only white space"),
        (b"\xEF\xBB\xBF", "only white space"),
        (xlsx, "the workbook is damaged"),
        (b"PK\x03\x04\x14\0\0\0\x08\0train.csv", "a zip archive"),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0", "an old Excel or Word file"),
        (b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR", "a PNG image"),
        (b"%PDF-1.7\n%\xE2\xE3", "a PDF document"),
        (b"\x1F\x8B\x08\0\0", "a gzip archive"),
        (b"PAR1\x15\x04\x15\0PAR1", "a Parquet file"),
        (b"text,label\n\0\0a\0b\0,x\n", "it contains NUL bytes"),
        (b"\x01\x02\x03\x04\x05\x06\x07\x0E\x0F\x10\x11\x12,", "many control characters"),
        (b"{\"text\": \"a\"}\n{\"text\": \"b\"}\n", "only one column has any content"),
        (b"[\n  {}]", "only one column has any content"),
        (b"<!DOCTYPE html>\n<html>, </html>", "a web page"),
        (b"just one line of text\nand another\n", "only one column was found"),
        (b"text\none, or two\nthree\nfour\nfive\n", "only one column was found"),
        (b"text,label\n", "a header but no rows"),
        (b"text,\na,\nb,\nc,\n", "only one column has any content"),
    ];
    for (bytes, expected) in cases {
        let (problem, ..) = data_error(Table::from_bytes(bytes));
        assert!(problem.contains(expected), "{expected}: {problem}");
    }
    // A text may begin with these letters.
    assert_eq!(cells("PAR1 and PK,x\nPDF,y\nGIF,x\n").len(), 3);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_quote_that_swallows_rows_is_an_error_with_its_row() {
    let mut lines: Vec<String> = (0..40).map(|i| format!("\"text {i}, indeed\",{}", i % 2)).collect();
    lines.insert(0, "text,label".into());
    assert_eq!(cells(lines.join("\n")).len(), 40);
    // Lost in the middle: it closes where a later text begins.
    let mut torn = lines.clone();
    torn[10] = "\"text without an end,1".into();
    for text in [torn.join("\n"), torn.join("\r\n")] {
        let (problem, row, _) = data_error(Table::from_bytes(text.as_bytes()));
        assert_eq!(row, Some(11), "{problem}");
        assert!(problem.contains("a double quote opens here"), "{problem}");
    }
    // Lost where no other follows: the rest of the file is one cell.
    let mut open = lines.clone();
    open.truncate(10);
    open.push("\"text without an end,1".into());
    open.extend((0..20).map(|i| format!("plain {i},0")));
    let (problem, row, _) = data_error(Table::from_bytes(open.join("\n").as_bytes()));
    assert_eq!(row, Some(11), "{problem}");
    assert!(problem.contains("the remaining 21 lines"), "{problem}");
    // In the first row of all.
    let (_, row, _) = data_error(Table::from_bytes(b"text,label\n\"a, b,1\nc, d,0\ne, f,1\n"));
    assert_eq!(row, Some(2));
}

#[wasm_bindgen_test(unsupported = test)]
fn ragged_rows_are_counted_not_guessed() {
    let text = "text,label\na b,x\nc,d,z\ne f\ng h,x,\ni j,y\nk l,x\nm n,y\n";
    let found = table(text);
    assert_eq!(found.rows.len(), 7);
    assert_eq!(found.ragged, [3]);
    assert_eq!(found.rows[2], ["e f", ""]);
    assert_eq!(found.rows[3], ["g h", "x"]);
    assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    assert!(found.notes[0].starts_with("1 row (3) has more cells"), "{:?}", found.notes);
    let set = dataset(text).unwrap();
    assert_eq!((set.report.rows, set.report.usable, set.report.ragged, set.report.unlabelled), (7, 5, 1, 1));
    assert!(set.train.iter().chain(&set.held_out).all(|row| row.row != 3));
    // Where rows hardly agree, no guess is made.
    let (problem, row, _) = data_error(Table::from_bytes(b"text,label\na,b,c,v\nd,e,w\nf,g,h,i,x\nk,y\nl,m,n,o,p,z\n"));
    assert!(problem.contains("different numbers of columns"), "{problem}");
    assert_eq!(row, Some(2));
}

#[wasm_bindgen_test(unsupported = test)]
fn any_table_that_is_written_is_read_again() {
    let mut rng = Rng::stream(3, "tables");
    let pieces =
        ["word", "two words", "\"", "\n", ",", ";", "\t", "é", "\r\n", "|", " ", "naïve", "'", "No.", "said \"so\"", "好"];
    for round in 0..200 {
        let separator = b",;\t|"[round % 4];
        let mut writer = csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
        writer.write_record(["text", "label", "n"]).unwrap();
        let rows: Vec<[String; 3]> = (0..1 + rng.below(30))
            .map(|i| {
                let text: String = (0..1 + rng.below(8)).map(|_| pieces[rng.below(pieces.len())]).collect();
                [format!("t{text}"), WORDS[rng.below(3)].into(), i.to_string()]
            })
            .collect();
        rows.iter().for_each(|row| writer.write_record(row).unwrap());
        let bytes = writer.into_inner().unwrap();
        let found = table(&bytes);
        assert_eq!(found.rows, rows, "round {round}: {}", String::from_utf8_lossy(&bytes));
        assert!(found.notes.is_empty(), "round {round}: {:?}", found.notes);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn spoilt_files_never_panic() {
    let good = "sep=;\ntext;label\n\"a \"\"b\"\";\nc\";x\nd é;y\n\"e\\\" f\";x\ng;y\n\"h;x\n";
    let mut rng = Rng::stream(5, "spoilt");
    for _ in 0..3000 {
        let mut bytes = good.as_bytes().to_vec();
        for _ in 0..1 + rng.below(6) {
            let at = rng.below(bytes.len());
            match rng.below(4) {
                0 => bytes[at] = rng.below(256) as u8,
                1 => bytes.insert(at, b"\"\n\r;,\t\\\0|"[rng.below(9)]),
                2 => bytes.truncate(at + 1),
                _ => drop(bytes.remove(at.min(bytes.len() - 1))),
            }
            if bytes.is_empty() {
                bytes.push(b'"');
            }
        }
        if let Ok(found) = Table::from_bytes(&bytes) {
            assert_eq!(found.rows.len(), found.row_numbers.len());
            assert!(
                found.row_numbers.is_sorted_by(|a, b| a < b),
                "{:?} {:?}",
                found.row_numbers,
                String::from_utf8_lossy(&bytes)
            );
            assert!(found.rows.iter().all(|row| row.len() == found.columns.len()));
            let _ = Dataset::from_table(&found, &DataConfig::default(), 0);
        }
    }
}
