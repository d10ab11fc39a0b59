//! Files whose quotes and separators are not those of CSV: rows are what is meant, and it is said how they were read.

use softprompt::data::table::Table;
use softprompt::error::Error;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::table;
use crate::formats::refused;

/// Texts of three classes; some have an apostrophe or a quote in them.
pub const ROWS: [(&str, &str); 9] = [
    ("the invoice was charged twice", "billing"),
    ("parcel one isn't here", "delivery"),
    ("reset code never came", "login"),
    ("the refund is too small", "billing"),
    ("left at the \"wrong\" door", "delivery"),
    ("password isn't taken", "login"),
    ("two fees in one month", "billing"),
    ("the box was wet", "delivery"),
    ("locked out since noon", "login"),
];

/// A header and a line for each of the rows.
pub fn file(header: &str, line: impl Fn(usize, &str, &str) -> String) -> String {
    let lines = ROWS.iter().enumerate().map(|(at, (text, label))| line(at, text, label) + "\n");
    [format!("{header}\n")].into_iter().filter(|header| header.len() > 1).chain(lines).collect()
}

/// The texts and the labels of a table, and the numbers of its rows.
#[track_caller]
pub fn assert_rows(found: &Table, columns: [usize; 2], text: impl Fn(&str) -> String, first: u64, what: &str) {
    assert_eq!(found.ragged, [0; 0], "{what}: {:?}", found.notes);
    let read: Vec<(String, &str)> =
        found.rows.iter().map(|row| (row[columns[0]].trim().to_owned(), row[columns[1]].trim())).collect();
    let wanted: Vec<(String, &str)> = ROWS.iter().map(|(words, label)| (text(words), *label)).collect();
    assert_eq!(read, wanted, "{what}: {:?}", found.notes);
    assert_eq!(found.row_numbers, (first..first + 9).collect::<Vec<_>>(), "{what}");
}

/// That all is as it should be but for one note.
#[track_caller]
pub fn assert_note(found: &Table, note: &str, what: &str) {
    assert!(found.notes.len() == 1 && found.notes[0].contains(note), "{what}: {:?}", found.notes);
}

fn doubled(text: &str) -> String {
    text.replace('"', "\"\"")
}

#[wasm_bindgen_test(unsupported = test)]
fn quotes_behind_blanks_are_quotes() {
    let blanks = "spaces between separators and quotes";
    let with = |text: &str| format!("{text}, really");
    for (what, file, columns, text) in [
        (
            "label last",
            file("text, label", |_, text, label| format!("\"{}, really\", \"{label}\"", doubled(text))),
            [0, 1],
            &with as &dyn Fn(&str) -> String,
        ),
        ("text last", file("label, text", |_, text, label| format!("{label}, \"{}, really\"", doubled(text))), [1, 0], &with),
        (
            "an id first",
            file("id, text, label", |at, text, label| format!("{at}, \"{}, really\", {label}", doubled(text))),
            [1, 2],
            &with,
        ),
        (
            "semicolons",
            file("label; text", |_, text, label| format!("{label}; \"{}; really\"", doubled(text))),
            [1, 0],
            &|text| format!("{text}; really"),
        ),
        ("tabs", file("label\t text", |_, text, label| format!("{label}\t \"{}\"", doubled(text))), [1, 0], &str::to_owned),
        ("blanks behind", file("text,label", |_, text, label| format!("\"{}, really\" ,{label}", doubled(text))), [0, 1], &with),
        (
            "two blanks",
            file("text,label", |_, text, label| format!("\"{}, really\"  ,  \"{label}\"", doubled(text))),
            [0, 1],
            &with,
        ),
        ("bars", file("label | text", |_, text, label| format!("{label} | \"{} | really\"", doubled(text))), [1, 0], &|text| {
            format!("{text} | really")
        }),
    ] {
        let found = table(&file);
        assert_rows(&found, columns, text, 2, what);
        assert_note(&found, blanks, what);
        assert!(found.columns.iter().all(|name| name.trim() == name && !name.contains('"')), "{:?}", found.columns);
    }
    // In some rows only, and with line breaks inside.
    let some = table(file("label, text", |at, text, label| {
        if at % 3 == 0 { format!("{label}, \"{}, really\"", doubled(text)) } else { format!("{label}, {text}") }
    }));
    assert_eq!(
        (some.rows[0][1].as_str(), some.rows[1][1].trim(), some.ragged.len()),
        ("the invoice was charged twice, really", ROWS[1].0, 0)
    );
    let broken = table(file("label, text", |_, text, label| format!("{label}, \"{}\nand so on\"", doubled(text))));
    assert_rows(&broken, [1, 0], |text| format!("{text}\nand so on"), 2, "line breaks");
    // A quote that does not enclose its cell is a letter.
    let letters = table("text,label\nso, \"good\" it is,x\nso, \"bad\" it is,y\nvery, \"fine\" it is,x\nvery, \"sad\" it is,y\n");
    assert_eq!(letters.rows[0], ["so, \"good\" it is", "x"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn single_and_curly_quotes_are_quotes() {
    let with = |text: &str| format!("{text}, really");
    let single = "cells are in single quotes";
    for (what, file, columns, first) in [
        ("all cells", file("'text','label'", |_, text, label| format!("'{text}, really','{label}'")), [0, 1], 2),
        ("the rows only", file("label,text", |_, text, label| format!("'{label}','{text}, really'")), [1, 0], 2),
        ("the texts only", file("text,label", |_, text, label| format!("'{text}, really',{label}")), [0, 1], 2),
        (
            "apostrophes twice",
            file("text,label", |_, text, label| format!("'{}, really','{label}'", text.replace('\'', "''"))),
            [0, 1],
            2,
        ),
        (
            "apostrophes escaped",
            file("text,label", |_, text, label| format!("'{}, really','{label}'", text.replace('\'', "\\'"))),
            [0, 1],
            2,
        ),
        ("semicolons", file("text;label", |_, text, label| format!("'{text}, really';'{label}'")), [0, 1], 2),
        ("no header", file("", |_, text, label| format!("'{text}, really','{label}'")), [0, 1], 1),
    ] {
        let found = table(&file);
        assert_rows(&found, columns, with, first, what);
        assert_note(&found, single, what);
        assert!(found.columns.iter().all(|name| !name.contains('\'')), "{:?}", found.columns);
    }
    // Only where a text has a comma.
    let some =
        table(file(
            "text,label",
            |at, text, label| if at % 3 == 0 { format!("'{text}, really',{label}") } else { format!("{text},{label}") },
        ));
    assert_eq!(
        (some.rows[0].join("+"), some.rows[1].join("+")),
        ("the invoice was charged twice, really+billing".into(), "parcel one isn't here+delivery".into())
    );
    let broken = table(file("text,label", |_, text, label| format!("'{text},\nreally','{label}'")));
    assert_rows(&broken, [0, 1], |text| format!("{text},\nreally"), 2, "line breaks");
    for (open, close) in [('\u{201C}', '\u{201D}'), ('\u{201E}', '\u{201C}'), ('\u{AB}', '\u{BB}'), ('\u{2018}', '\u{2019}')] {
        let found = table(file("text,label", |_, text, label| format!("{open}{text}, really{close},{label}")));
        assert_rows(&found, [0, 1], with, 2, "curly");
        assert_note(&found, "cells are in curly quotes", "curly");
    }
    // Apostrophes and quoted speech are letters.
    let letters =
        file("text,label", |at, text, label| format!("'{} said {text}{},{label}", at, if at % 4 == 0 { "'" } else { "" }));
    let found = table(&letters);
    assert_eq!(
        (found.rows[0][0].as_str(), found.notes.len()),
        ("'0 said the invoice was charged twice'", 0),
        "{:?}",
        found.notes
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn lines_in_quotes_escapes_and_runs_of_tabs_are_undone() {
    let with = |text: &str| format!("{text}, really");
    let twice = file("\"text,label\"", |_, text, label| format!("\"\"\"{}, really\"\",{label}\"", doubled(&doubled(text))));
    let found = table(&twice);
    assert_rows(&found, [0, 1], with, 2, "quoted twice");
    assert_note(&found, "each line as a whole is in quotes", "quoted twice");
    let whole = file("text,label", |_, text, label| format!("\"{},{label}\"", doubled(text)));
    assert_rows(&table(&whole), [0, 1], str::to_owned, 2, "whole lines");
    let blank = whole.replacen('\n', "\n\n", 1);
    assert_eq!(table(blank).row_numbers[0], 3);
    let escaped = table(file("text,label", |_, text, label| format!("{}\\, really,{label}", text.replace('"', "'"))));
    assert_eq!(escaped.rows[0], ["the invoice was charged twice, really", "billing"]);
    assert_note(&escaped, "backslashes before separators", "escaped");
    let tabs = table(file("text\t\tlabel", |at, text, label| format!("{text}{}{label}", ["\t", "\t\t", "\t\t\t"][at % 3])));
    assert_rows(&tabs, [0, 1], str::to_owned, 2, "runs of tabs");
    assert_note(&tabs, "several consecutive tabs are treated as one", "runs of tabs");
    // An empty cell between two tabs is one, where rows agree with it.
    let empty =
        table(file("text\tnote\tlabel", |at, text, label| format!("{text}\t{}\t{label}", if at == 4 { "so" } else { "" })));
    assert_eq!((empty.columns.len(), empty.rows[0][1].as_str(), empty.rows[4][1].as_str()), (3, "", "so"));
    // Texts in quotes, one a line, are a single column.
    assert!(refused(file("text", |_, text, _| format!("\"{}, again\"", doubled(text)))).0.contains("one column"));
}

#[wasm_bindgen_test(unsupported = test)]
fn bare_separators_belong_to_the_text() {
    for (what, file, columns, text) in [
        (
            "label last",
            file("text,label", |_, text, label| format!("{text}, please help,{label}")),
            [0, 1],
            &(|text: &str| format!("{text}, please help")) as &dyn Fn(&str) -> String,
        ),
        ("label first", file("label,text", |_, text, label| format!("{label},{text}, please help, soon")), [1, 0], &|text| {
            format!("{text}, please help, soon")
        }),
        ("semicolons", file("text;label", |_, text, label| format!("{text}; please help;{label}")), [0, 1], &|text| {
            format!("{text}; please help")
        }),
        ("other names", file("Meldung,Abteilung", |_, text, label| format!("{text}, bitte,{label}")), [0, 1], &|text| {
            format!("{text}, bitte")
        }),
        ("an id", file("id,text,label", |at, text, label| format!("{at},{text}, please,{label}")), [1, 2], &|text| {
            format!("{text}, please")
        }),
        (
            "a date",
            file("date,text,label", |at, text, label| format!("2024-01-{:02},{text}, please,{label}", at + 1)),
            [1, 2],
            &|text| format!("{text}, please"),
        ),
        (
            "without blanks",
            file("text,label", |_, text, label| format!("{text},{} times,{label}", text.len())),
            [0, 1],
            &|text| format!("{text},{} times", text.len()),
        ),
    ] {
        let file = file.replace('"', "'");
        let found = table(&file);
        assert_rows(&found, columns, |words| text(words).replace('"', "'"), 2, what);
        assert_note(&found, "9 rows (2, 3, 4, 5, 6, ...) have more cells than the", what);
    }
    // The note blames the rows with commas, and no others.
    let some =
        table(file("text,label", |at, text, label| format!("{text}{},{label}", ["", ", please", ", please, soon"][at % 3])));
    assert_eq!(some.rows[2], ["reset code never came, please, soon", "login"]);
    assert_note(&some, "6 rows (3, 4, 6, 7, 9, ...) have more cells", "some");
    let one = table(file("", |at, text, label| format!("{text}{},{label}", if at == 4 { ", please" } else { "" })));
    assert_note(&one, "1 row (5) has more cells", "no header");
    assert_eq!(one.rows[4][0], "left at the \"wrong\" door, please");
    // Without a header, and with a class of one row: the blank behind each comma shows what is text.
    for label_last in [true, false] {
        let label = |at: usize, label: &str| if at == 3 { "other".to_owned() } else { label.to_owned() };
        let all = table(file("", |at, text, name| {
            let (text, label) = (format!("{}, please", text.replace('"', "'")), label(at, name));
            if label_last { format!("{text},{label}") } else { format!("{label},{text}") }
        }));
        let columns = if label_last { [0, 1] } else { [1, 0] };
        let row = |at: usize| columns.map(|column| all.rows[at][column].as_str());
        assert_eq!((all.columns.len(), all.has_header, all.rows.len()), (2, false, 9), "{:?}", all.notes);
        assert_eq!(
            (row(3), row(4)),
            (["the refund is too small, please", "other"], ["left at the 'wrong' door, please", "delivery"])
        );
        assert_note(&all, "9 rows (1, 2, 3, 4, 5, ...) have more cells than the 2 columns", "no header, all rows");
    }
    // Blanks behind all separators say nothing.
    let blanks = table(file("", |at, text, label| format!("{at}, {}, {label}", text.replace('"', "'"))));
    assert_eq!((blanks.columns.len(), blanks.rows.len()), (3, 9), "{:?}", blanks.notes);
    // Where a row does not show which cell is its label, it is not used, and named.
    let odd = table(file("text,label", |at, text, label| format!("{text},{}", if at == 4 { "one,two" } else { label })));
    assert_eq!((odd.ragged.as_slice(), odd.rows.len()), ([6].as_slice(), 9));
    assert_note(&odd, "1 row (6) has more cells than the 2 columns; put texts that contain a comma in double quotes", "odd");
    // Title and body: nobody knows in which of them the comma is.
    let two = table(file("title,body,label", |at, text, label| {
        format!("{},{text}{},{label}", ROWS[8 - at].0, if at == 4 { ", really" } else { "" })
    }));
    assert_eq!(two.ragged, [6]);
    // Nothing tells a label from a text.
    let (problem, _, row) = refused("text,label\na,b,c,v\nd,e,w\nf,g,h,i,x\nk,y\nl,m,n,o,p,z\n");
    assert!(problem.contains("different numbers of columns") && row == Some(2), "{problem}");
}

#[wasm_bindgen_test(unsupported = test)]
fn headers_of_other_widths_are_said() {
    let index = table(file("text,label", |at, text, label| format!("{at},{text},{label}").replace('"', "'")));
    assert_eq!(index.columns, ["column 1", "text", "label"]);
    assert_note(&index, "the rows have one cell more than the header has names", "pandas");
    let r = table(file("\"ticket\",\"queue\"", |at, text, label| format!("\"{}\",\"{}\",\"{label}\"", at + 1, doubled(text))));
    assert_eq!(r.columns, ["column 1", "ticket", "queue"]);
    assert_rows(&r, [1, 2], str::to_owned, 2, "R");
    let more = table(file("text,label,note", |_, text, label| format!("{text},{label}")));
    assert_eq!(more.columns, ["text", "label"]);
    assert_note(&more, "the header has 3 names and the rows have 2 cells: `note` is left out", "more names");
    // Of a column that some rows have, nothing is left out.
    let some = table(file("text,label,note", |at, text, label| format!("{text},{label}{}", if at == 3 { ",seen" } else { "" })));
    assert_eq!((some.columns.len(), some.rows[3][2].as_str(), some.ragged.len()), (3, "seen", 0));
    let fewer = table(file("text,label", |at, text, label| format!("{text},{label},{}", ["a b", "c d", "e f"][at % 3])));
    assert!(
        fewer.notes.iter().any(|note| note.contains("the header has 2 names and the rows have 3 cells")),
        "{:?}",
        fewer.notes
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn every_form_of_the_separator_line_is_obeyed() {
    let with = |text: &str| format!("{text}, really");
    for line in ["sep=;", "SEP=;", "Sep=;", "\"sep=;\"", "sep=;;", "sep=; ", " sep=;", "sep=\";\"", "'sep=;'", "sep=;;;;;"] {
        let lines = file("text;label", |_, text, label| format!("{text}, really;{label}")).replace('"', "'");
        let text = format!("{line}\n{lines}");
        let found = table(&text);
        if line.starts_with('\'') {
            // Not a form that anybody writes: a line above the header.
            assert_eq!(found.header_row, Some(2), "{line}");
            continue;
        }
        assert_eq!((found.separator, found.header_row), (';', Some(2)), "{line}");
        assert_rows(&found, [0, 1], |words| with(words).replace('"', "'"), 3, line);
        assert_eq!(found.notes, [""; 0], "{line}");
        let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(table(utf16).rows, found.rows, "{line}");
    }
    for (line, separator) in [("sep=\t", '\t'), ("sep=\\t", '\t'), ("sep=|", '|'), ("sep=^", '^'), ("sep=~", '~'), ("sep=:", ':')]
    {
        let text = file(&format!("{line}\ntext{separator}label"), |_, text, label| format!("{text}, really{separator}{label}"));
        assert_eq!(table(&text).separator, separator, "{line}");
        assert_rows(&table(&text), [0, 1], with, 3, line);
    }
    // A text may begin so.
    assert_eq!(table("sep=x is a setting,a\nsep=y is another,b\nsep=z is one,a\nso is this,b\n").rows.len(), 4);
}

/// Rows that are read and rows that are named in notes are all the rows of a file, whatever it is like.
#[wasm_bindgen_test(unsupported = test)]
fn no_row_is_lost_in_silence() {
    for inside in ["", ", really", ",really", "\\, really", "; really", "\t", "'", " \"so\""] {
        for [open, close] in [["", ""], ["\"", "\""], [" \"", "\""], ["'", "'"], ["\u{201C}", "\u{201D}"]] {
            for header in ["", "text,label", "# made today\ntext,label", "a title\n\ntext,label", "text,label\nstring,category"] {
                let text = file(header, |_, text, label| format!("{open}{}{inside}{close},{label}", text.replace('"', "")));
                let Ok(found) = Table::from_bytes(text.as_bytes()) else { continue };
                let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
                let left_out: usize = found
                    .notes
                    .iter()
                    .filter(|note| note.contains("left out"))
                    .filter_map(|note| note.split(' ').next()?.parse::<usize>().ok())
                    .sum();
                assert_eq!(found.rows.len() + usize::from(found.has_header) + left_out, lines, "{text}{:?}", found.notes);
                // What was read can be written and is read again.
                let csv = found.to_csv().unwrap();
                let again = table(&csv);
                assert_eq!(
                    (&again.rows, &again.columns, again.ragged.len()),
                    (&found.rows, &found.columns, found.ragged.len()),
                    "{text}"
                );
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn quotes_of_another_style_never_panic() {
    let mut rng = softprompt::rng::Rng::stream(7, "styles");
    let pieces = [
        "'",
        "\"",
        " \"",
        "\" ",
        "\u{201C}",
        "\u{201D}",
        ",",
        ";",
        "\t",
        "\t\t",
        "\n",
        "\r\n",
        "\\,",
        "\\",
        "a b",
        "x",
        "y",
        "text",
        "label",
        "#",
        "é",
        "__label__x ",
        "|",
        "---",
    ];
    for _ in 0..1500 {
        let text: String = (0..rng.below(60)).map(|_| pieces[rng.below(pieces.len())]).collect();
        match Table::from_bytes(text.as_bytes()) {
            Ok(found) => {
                assert_eq!(found.rows.len(), found.row_numbers.len());
                assert!(found.row_numbers.is_sorted_by(|a, b| a < b), "{text:?} {:?}", found.row_numbers);
                assert!(found.rows.iter().all(|row| row.len() == found.columns.len()), "{text:?}");
                let again = table(found.to_csv().unwrap());
                assert_eq!((&again.rows, &again.columns), (&found.rows, &found.columns), "{text:?}");
            }
            Err(Error::Data { hint, .. }) => assert!(!hint.is_empty()),
            Err(other) => panic!("{other}"),
        }
    }
}

/// Texts with quoted parts and bare commas: the quotes belong to the texts.
#[wasm_bindgen_test(unsupported = test)]
fn quoted_parts_of_a_text_with_commas_stay_in_it() {
    let said = ["no, thanks", "well", "come in", "never, ever", "I know", "go away"];
    let text = |i: usize| format!("\"{} {i}\", {} said, \"{}\"", said[i % 6], ["he", "she", "we"][i % 3], said[(i * 5 + 1) % 6]);
    let plain = |i: usize| format!("{}, number {i}", ["the invoice", "a wet box", "my card was billed", "where is it"][i % 4]);
    let label = |i: usize| ["good", "bad"][i % 2];
    for (header, first) in [("text,label\n", 2), ("", 1)] {
        let lines: String = (0..24).map(|i| format!("{},{}\n", text(i), label(i))).collect();
        let found = table(format!("{header}{lines}"));
        let wanted: Vec<[String; 2]> = (0..24).map(|i| [text(i), label(i).to_owned()]).collect();
        assert_eq!(found.rows, wanted, "{:?}", found.notes);
        assert_eq!((found.row_numbers[0], found.notes.len()), (first, 1), "{:?}", found.notes);
        assert!(found.notes[0].contains("is not in quotes; the extra cells are treated as part of"), "{:?}", found.notes);
    }
    // The label first, and among texts that are quoted as they should be.
    let line = |i: usize| match i % 3 {
        0 => format!("{},{}\n", label(i), text(i)),
        _ => format!("{},\"{}\"\n", label(i), plain(i)),
    };
    let found = table(format!("label,text\n{}", (0..24).map(line).collect::<String>()));
    let wanted = |i: usize| [label(i).to_owned(), if i.is_multiple_of(3) { text(i) } else { plain(i) }];
    assert_eq!(found.rows, (0..24).map(wanted).collect::<Vec<_>>(), "{:?}", found.notes);
}

/// A cell that begins with one quoted part and ends with another is not a quoted cell.
#[wasm_bindgen_test(unsupported = test)]
fn quotes_of_two_parts_belong_to_the_text() {
    for (open, close) in [('"', '"'), ('\'', '\''), ('\u{201C}', '\u{201D}')] {
        // All texts are such, or some among quoted cells with a comma.
        for every in [1, 5] {
            let is_parts = |i: usize| i.is_multiple_of(every);
            let parts = |i: usize| format!("{open}the river {i}{close} and {open}the lake{close}");
            let text = |i: usize| if is_parts(i) { parts(i) } else { format!("the box, number {i}") };
            let cell = |i: usize| if is_parts(i) { text(i) } else { format!("{open}{}{close}", text(i)) };
            let lines: String = (0..30).map(|i| format!("{},{}\n", cell(i), ["good", "bad"][i % 2])).collect();
            let found = table(format!("text,label\n{lines}"));
            let texts: Vec<&str> = found.rows.iter().map(|row| row[0].as_str()).collect();
            assert_eq!(texts, (0..30).map(text).collect::<Vec<_>>(), "{open} {every}: {:?}", found.notes);
        }
    }
}

/// Apostrophes at the beginning of texts close nothing. (Each such cell was once read up to the next 20,000 bytes.)
#[wasm_bindgen_test(unsupported = test)]
fn cells_that_begin_with_an_apostrophe_are_whole() {
    let text = |i: usize| match i % 3 {
        0 => format!("'tis the season, {i}"),
        1 => format!("'cause it isn't here {i}"),
        _ => format!("'n' roll {i}"),
    };
    let lines: String = (0..200).map(|i| format!("{};{}\n", text(i), ["good", "bad"][i % 2])).collect();
    let found = table(format!("text;label\n{lines}"));
    assert_eq!(found.rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), (0..200).map(text).collect::<Vec<_>>());
    // Quoted cells with apostrophes, doubled, also at their ends.
    let lines: String = (0..40).map(|i| format!("'''the river'' {i}, isn''t it','{}'\n", ["good", "bad"][i % 2])).collect();
    let found = table(format!("'text','label'\n{lines}"));
    assert_eq!(found.rows[7], ["'the river' 7, isn't it", "bad"]);
}
