//! Real data files: `examples/data`, and the shared data sets where they are at hand (`SOFTPROMPT_DATA`, else `../shared/data`
//! beside the repository; `REQUIRE_DATA=1` makes their absence a failure).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use softprompt::config::DataConfig;
use softprompt::data::dataset::{ColumnChoice, Dataset, TextRow};
use softprompt::data::table::Table;

/// What a file holds, as Python's `csv` module reads it: `QUOTE_MINIMAL` and cp1252 or UTF-8 for the comma files,
/// `QUOTE_NONE` and `newline="\n"` for the tab files (`str.splitlines` would break rows at U+0085 of the IMDB file).
/// `repeated` is rows less distinct `(" ".join(text.lower().split()), label)`; in none of the files does a text have two labels.
struct Truth {
    file: &'static str,
    rows: usize,
    /// Characters of all cells of all rows.
    characters: usize,
    repeated: usize,
    separator: char,
    header: bool,
    columns: &'static [&'static str],
    text: &'static str,
    classes: usize,
    /// One class and its rows, repeated ones too.
    class: (&'static str, usize),
}

const PLAIN: Truth = Truth {
    file: "",
    rows: 0,
    characters: 0,
    repeated: 0,
    separator: ',',
    header: true,
    columns: &["text", "label"],
    text: "text",
    classes: 7,
    class: ("", 0),
};
const TABBED: Truth =
    Truth { separator: '\t', header: false, columns: &["column 1", "column 2"], text: "column 1", classes: 2, ..PLAIN };

#[rustfmt::skip]
const FILES: &[Truth] = &[
    Truth { file: "banking77/train.csv", rows: 772, characters: 59_101, classes: 77, class: ("pin_blocked", 11), ..PLAIN },
    Truth { file: "banking77/test.csv", rows: 387, characters: 29_618, classes: 77, class: ("card_acceptance", 6), ..PLAIN },
    Truth { file: "snips/train.csv", rows: 700, characters: 41_573, class: ("PlayMusic", 100), ..PLAIN },
    Truth { file: "snips/valid.csv", rows: 694, characters: 41_826, class: ("BookRestaurant", 100), ..PLAIN },
    Truth { file: "snips/test.csv", rows: 699, characters: 41_787, class: ("AddToPlaylist", 124), ..PLAIN },
    Truth { file: "sms_spam/spam_first1500.csv", rows: 1500,
        // With the 17 commas at which 11 texts were broken: Python leaves 128,004 characters in five columns.
        characters: 128_021, repeated: 50, classes: 2, columns: &["v1", "v2"], text: "v2", class: ("spam", 216), ..PLAIN },
    Truth { file: "sms_spam/SMSSpamCollection_first1500.txt", rows: 1500, characters: 127_633, repeated: 50, text: "column 2",
        class: ("spam", 215), ..TABBED },
    Truth { file: "uci_sentiment_3dom/amazon_cells_labelled.txt", rows: 1000, characters: 56_226, repeated: 13, class: ("1", 500), ..TABBED },
    Truth { file: "uci_sentiment_3dom/imdb_labelled.txt", rows: 1000, characters: 83_272, repeated: 3, class: ("0", 500), ..TABBED },
    Truth { file: "uci_sentiment_3dom/yelp_labelled.txt", rows: 1000, characters: 59_316, repeated: 4, class: ("0", 500), ..TABBED },
];

/// The folder of the shared data sets, or nothing and a line that says which test was skipped.
fn shared_data(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SOFTPROMPT_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("REQUIRE_DATA").is_none_or(|value| value != "1"), "REQUIRE_DATA=1, but no {}", folder.display());
    println!("SKIPPED {test}: no {}", folder.display());
    None
}

fn open(path: &Path) -> Table {
    Table::from_bytes(&std::fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_shared_file_has_its_true_rows() {
    let Some(folder) = shared_data("every_shared_file_has_its_true_rows") else { return };
    for truth in FILES {
        let table = open(&folder.join(truth.file));
        let name = truth.file;
        assert_eq!(table.rows.len(), truth.rows, "{name}: rows");
        assert_eq!(table.rows.iter().flatten().map(|cell| cell.chars().count()).sum::<usize>(), truth.characters, "{name}");
        assert_eq!((table.separator, table.has_header), (truth.separator, truth.header), "{name}");
        assert_eq!(table.columns, truth.columns, "{name}");
        assert!(table.ragged.is_empty(), "{name}: {:?}", table.ragged);
        // Headers count; in these files blank lines do not occur, so that rows are numbered without a gap.
        let first = 1 + u64::from(truth.header);
        assert_eq!(table.row_numbers, (first..first + truth.rows as u64).collect::<Vec<_>>(), "{name}");

        let columns = ColumnChoice::guess(&table, &DataConfig::default()).unwrap();
        assert_eq!(table.columns[columns.text], truth.text, "{name}");
        let (class, rows) = truth.class;
        assert_eq!(table.rows.iter().filter(|row| row[columns.label] == class).count(), rows, "{name}: {class}");

        let set = Dataset::from_table(&table, &DataConfig::default(), 0).unwrap_or_else(|error| panic!("{name}: {error}"));
        let report = &set.report;
        assert_eq!((report.rows, report.duplicates, report.contradictory), (truth.rows, truth.repeated, 0), "{name}");
        assert_eq!(report.usable, truth.rows - truth.repeated, "{name}");
        assert_eq!((report.empty, report.unlabelled, report.ragged), (0, 0, 0), "{name}");
        assert_eq!(set.train.len() + set.held_out.len(), report.usable, "{name}");
        assert_eq!(set.labels.len(), truth.classes, "{name}");
        let share = set.held_out.len() as f64 / report.usable as f64;
        assert!((share - 0.2).abs() < 0.02, "{name}: {share} held out");
    }
}

#[test]
fn traps_are_read_to_the_letter() {
    let Some(folder) = shared_data("traps_are_read_to_the_letter") else { return };
    let cell = |file: &str, row: u64, column: usize| {
        let table = open(&folder.join(file));
        table.rows[table.row_numbers.iter().position(|&number| number == row).unwrap()][column].clone()
    };
    // Line breaks inside a cell (rows as Python enumerates records, from 1 with the header).
    assert!(cell("banking77/train.csv", 197, 0).ends_with("to my account here.\n."));
    assert_eq!(cell("banking77/test.csv", 382, 0), "\n\nWhat businesses accept this card?");
    // Lone quotes, read as letters.
    assert_eq!(cell("uci_sentiment_3dom/imdb_labelled.txt", 197, 0), "\"You'll love it!  ");
    assert!(cell("sms_spam/SMSSpamCollection_first1500.txt", 801, 1).starts_with("\"Gimme a few\" was "));
    // 8-bit letters (the file's own makers had already spoilt the pound sign); and a text that was broken into the nameless
    // columns, which happened to 11 rows, and is whole again.
    assert!(cell("sms_spam/spam_first1500.csv", 7, 1).ends_with("to send, å£1.50 to rcv"));
    assert!(cell("sms_spam/spam_first1500.csv", 97, 1).ends_with("Britney. FML, PO Box 5249, MK17 92H. 450Ppw 16\""));
    let spam = open(&folder.join("sms_spam/spam_first1500.csv"));
    assert_eq!((spam.encoding, spam.quoting), ("windows-1252", true));
    assert!(spam.notes.iter().any(|note| note.starts_with("11 rows (97, 283,")), "{:?}", spam.notes);
    assert!(!open(&folder.join("uci_sentiment_3dom/imdb_labelled.txt")).quoting);
}

#[test]
fn a_second_file_is_the_held_out_part() {
    let Some(folder) = shared_data("a_second_file_is_the_held_out_part") else { return };
    let config = DataConfig::default();
    for (train, test, rows) in [("banking77/train.csv", "banking77/test.csv", 387), ("snips/train.csv", "snips/test.csv", 699)] {
        let set = Dataset::with_held_out(&open(&folder.join(train)), &open(&folder.join(test)), &config).unwrap();
        // Both pairs were made without leaks.
        assert_eq!((set.report.leaked, set.held_out.len()), (0, rows), "{train}");
    }
    // A file against itself leaves nothing to train on.
    let snips = open(&folder.join("snips/train.csv"));
    assert!(Dataset::with_held_out(&snips, &snips, &config).is_err());
}

#[test]
fn the_example_is_the_sample_of_snips() {
    let table = open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/snips.csv"));
    let set = Dataset::from_table(&table, &DataConfig::default(), 0).unwrap();
    let names =
        ["AddToPlaylist", "BookRestaurant", "GetWeather", "PlayMusic", "RateBook", "SearchCreativeWork", "SearchScreeningEvent"];
    assert_eq!(set.labels, names);
    assert_eq!((set.train.len(), set.held_out.len()), (560, 140));
    assert!(set.report.classes.iter().all(|class| class.count == 100));
    assert!(set.report.notes.is_empty(), "{:?}", set.report.notes);
}

#[test]
fn a_hundred_thousand_rows_are_read_and_split() {
    let mut file = String::from("id,text,label\r\n");
    for i in 0..100_000_u32 {
        file.push_str(&format!(
            "{i},\"Ticket {i}: it says \"\"no\"\", then\nstops, a naïve text of usual length number {}\",{}\r\n",
            i / 2 * 7,
            i % 9
        ));
    }
    let start = Instant::now();
    let table = Table::from_bytes(file.as_bytes()).unwrap();
    let parsed = start.elapsed();
    let set = Dataset::from_table(&table, &DataConfig::default(), 1).unwrap();
    println!("100,000 rows, {} MB: parsed in {parsed:.0?}, split after {:.0?}", file.len() / 1_000_000, start.elapsed());
    assert_eq!((set.report.rows, set.report.usable), (100_000, 100_000));
    assert!(set.train.iter().chain(&set.held_out).all(|TextRow { text, .. }| text.contains("\"no\"")));
    // No timing: minutes, which a busy machine keeps, and nothing quadratic does.
    assert!(start.elapsed() < Duration::from_secs(120), "{:?}", start.elapsed());
}
