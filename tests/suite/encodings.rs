//! Bytes that are not UTF-8, or not all of them: they are read as what they are, and it is said as what.

use softprompt::data::table::Table;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::table;
use crate::data::data_error;

/// 24 rows with special characters; each line is encoded by its number.
fn file(text: impl Fn(usize) -> String, encode: impl Fn(usize, &str) -> Vec<u8>) -> Vec<u8> {
    let line = |i: usize| encode(i, &format!("{},{}\n", text(i), ["good", "bad"][i % 2]));
    b"text,label\n".iter().copied().chain((0..24).flat_map(line)).collect()
}

fn cafe(i: usize) -> String {
    format!("the café über the naïve river {i}")
}

fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect()
}

fn utf8(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// Mac Roman of these letters.
fn mac(text: &str) -> Vec<u8> {
    let byte = |letter: char| match letter {
        'é' => 0x8E,
        'è' => 0x8F,
        'ê' => 0x90,
        'ç' => 0x8D,
        'á' => 0x87,
        'â' => 0x89,
        'ä' => 0x8A,
        'ï' => 0x95,
        'ñ' => 0x96,
        'ó' => 0x97,
        'ô' => 0x99,
        'ö' => 0x9A,
        'ü' => 0x9F,
        'ß' => 0xA7,
        '“' => 0xD2,
        '”' => 0xD3,
        '’' => 0xD5,
        letter => u8::try_from(letter).ok().filter(u8::is_ascii).unwrap(),
    };
    text.chars().map(byte).collect()
}

fn texts(table: &Table) -> Vec<&str> {
    table.rows.iter().map(|row| row[0].as_str()).collect()
}

#[wasm_bindgen_test(unsupported = test)]
fn lines_in_two_encodings_are_read_one_by_one() {
    let wanted: Vec<String> = (0..24).map(cafe).collect();
    for (is_utf8, counts) in [
        (
            (|i| i < 12) as fn(usize) -> bool,
            "12 lines are UTF-8 with special characters; 12 lines (14, 15, 16, 17, 18, ...) have",
        ),
        (|i| i % 2 == 1, "12 lines are UTF-8 with special characters; 12 lines (2, 4, 6, 8, 10, ...) have"),
        (|i| i != 7, "23 lines are UTF-8 with special characters; 1 line (9) has"),
        (|i| i == 7, "1 line is UTF-8 with special characters; 23 lines (2, 3, 4, 5, 6, ...) have"),
    ] {
        let found = table(file(cafe, |i, line| if is_utf8(i) { utf8(line) } else { latin(line) }));
        assert_eq!((texts(&found), found.encoding), (wanted.iter().map(String::as_str).collect(), "UTF-8"));
        assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
        let start = format!("the file mixes encodings: {counts} other bytes, which are read as windows-1252, such as `café`");
        assert!(found.notes[0].starts_with(&start), "{:?}", found.notes);
    }
    // Smart quotes alone, of which nothing is odd in the other encoding.
    let quote = |i: usize| format!("it isn’t the river {i}");
    let found = table(file(quote, |i, line| {
        if i == 3 { line.chars().map(|letter| if letter == '’' { 0x92 } else { letter as u8 }).collect() } else { utf8(line) }
    }));
    assert_eq!(texts(&found), (0..24).map(quote).collect::<Vec<_>>());
    // One line is Big5 and the others are windows-1252 by no reading: all are the same.
    let big5 =
        b"text,label\n\xA7\xD6\xBB\xBC\xA4\xD3\xBAC\xA4F,x\n\xA6n\xB3\xDC,y\n\xA6n\xB3\xDC\xB1o\xAB\xDC,x\n\xAB\xDC\xBAC,y\n";
    assert_eq!(table(big5).encoding, "Big5");
}

#[wasm_bindgen_test(unsupported = test)]
fn mac_roman_is_known_by_its_letters() {
    let french = ["le café est près de la forêt", "le garçon a été très déçu", "un thé glacé à la maison", "le château du hôte"];
    let german = ["die Tür schließt nicht größer", "der Käse schmeckt über Nacht", "schöne Grüße aus Köln", "das Öl läuft aus"];
    let spanish = ["el niño comió un plátano", "la canción está cerca", "qué lástima", "el baño está allá"];
    let english = ["it isn’t so “good” here", "we don’t know", "the “best” one", "she can’t come"];
    for lines in [french, german, spanish, english] {
        let lines = lines.map(|line| line.replace(['à', 'Ö'], "o"));
        let text = |i: usize| format!("{} {i}", lines[i % 4]);
        let found = table(file(text, |_, line| mac(line)));
        assert_eq!(
            (texts(&found), found.encoding),
            ((0..24).map(text).collect::<Vec<_>>().iter().map(String::as_str).collect(), "macintosh")
        );
        assert!(found.notes[0].starts_with("the file is not UTF-8: it is read as macintosh, such as `"), "{:?}", found.notes);
    }
    // What windows-1252 explains is not taken for it.
    for text in ["le café est près de la forêt", "die Tür schließt größer", "the “best” one isn’t so—good"] {
        let windows = |letter: char| match letter {
            '“' => 0x93,
            '”' => 0x94,
            '’' => 0x92,
            '—' => 0x97,
            '–' => 0x96,
            '€' => 0x80,
            letter => letter as u8,
        };
        let found = table(file(|i| format!("{text} {i}"), |_, line| line.chars().map(windows).collect()));
        assert_eq!((texts(&found)[0], found.encoding), (format!("{text} 0").as_str(), "windows-1252"));
    }
}

/// The example is a word that shows whether the encoding is the right one: here the bytes are DOS's.
#[wasm_bindgen_test(unsupported = test)]
fn it_is_said_what_a_file_was_taken_for() {
    let found = table(file(|i| format!("un caf\u{82} tr\u{8A}s bon {i}"), |_, line| latin(line)));
    assert_eq!(found.encoding, "windows-1252");
    let note =
        "the file is not UTF-8: it is read as windows-1252, such as `caf‚` in line 2; if that is wrong, save the file as UTF-8";
    assert_eq!(found.notes, [note]);
}

#[wasm_bindgen_test(unsupported = test)]
fn marks_where_files_were_put_together_are_removed() {
    let object = |i: usize| format!("{{\"text\": \"the river {i}\", \"label\": \"{}\"}}\n", ["x", "y"][i % 2]);
    let lines = |from: usize| (from..from + 4).map(object).collect::<String>();
    let found = table(format!("\u{feff}{}\u{feff}{}", lines(0), lines(4)));
    assert_eq!((found.columns.len(), found.rows.len()), (2, 8));
    assert_eq!(found.rows[4], ["the river 4", "x"]);
    // Before a quote, where the quote would be a letter otherwise.
    let part = |from: usize| (from..from + 4).map(|i| format!("\"the river, {i}\",{}\n", ["x", "y"][i % 2])).collect::<String>();
    let found = table(format!("\u{feff}text,label\n{}\u{feff}text,label\n{}\u{feff}{}", part(0), part(4), part(8)));
    assert_eq!((found.rows.len(), found.ragged.len()), (12, 0), "{:?}", found.notes);
    assert_eq!(found.rows[8], ["the river, 8", "x"]);
    assert_eq!(found.notes, ["1 row (6) is identical to the header and left out"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_few_nuls_are_replaced_and_many_are_a_binary_file() {
    let found = table(file(|i| if i == 3 { "the \0river 3".into() } else { format!("the river {i}") }, |_, line| utf8(line)));
    assert_eq!(texts(&found)[3], "the \u{FFFD}river 3");
    assert_eq!(found.notes, ["1 line (5) has NUL bytes (1 in all), which were replaced by \u{FFFD}"]);
    // A block that was not filled.
    let found = table([file(|i| format!("the river {i}"), |_, line| utf8(line)), vec![0; 300]].concat());
    assert_eq!((texts(&found)[23], found.rows.len()), ("the river 23", 24));
    assert_eq!(found.notes, ["the NUL bytes at the end of the file (300) are left out"]);
    for bytes in [file(|i| format!("\0\0the {i}"), |_, line| utf8(line)), b"\0\x01text,label\na,x\nb,y\n".to_vec()] {
        assert!(data_error(Table::from_bytes(&bytes)).0.contains("it contains NUL bytes"));
    }
    assert!(data_error(Table::from_bytes(b"\x7FELF\x02\x01\x01 text,label\na,x\nb,y\n")).0.contains("a program"));
}

/// A line of another encoding can be valid UTF-8 by chance (`Â£` is in files whose makers had spoilt them).
#[wasm_bindgen_test(unsupported = test)]
fn a_line_that_is_valid_by_chance_is_read_like_the_others() {
    let text = |i: usize| if i == 3 { "win Â£100 now".to_owned() } else { format!("win å£{i} Ì_ for café {i}") };
    let lines: Vec<u8> = (0..60).flat_map(|i| latin(&format!("{},{}\n", text(i), ["good", "bad"][i % 2]))).collect();
    let found = table([b"text,label\n".to_vec(), lines].concat());
    assert_eq!(
        (texts(&found), found.encoding),
        ((0..60).map(text).collect::<Vec<_>>().iter().map(String::as_str).collect(), "windows-1252")
    );
}
