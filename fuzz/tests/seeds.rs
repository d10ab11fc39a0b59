//! Every property holds for every seed, and a seed is what it should be: something that is read.
use softprompt_fuzz::{properties as p, seeds};

#[test]
fn every_property_holds_for_its_seeds() {
    let targets: [(&str, fn(&[u8]) -> bool); 11] = [
        ("table", p::table),
        ("json", p::json),
        ("workbook", p::workbook),
        ("zip", p::zip),
        ("adapter", p::adapter),
        ("checkpoint", p::checkpoint),
        ("cells", p::cells),
        ("settings", p::settings),
        ("encoder_config", p::encoder_config),
        ("tokenizer", p::tokenizer),
        ("tensors", p::tensors),
    ];
    let all = seeds::all();
    assert_eq!(all.iter().map(|(name, _)| *name).collect::<Vec<_>>(), targets.map(|(name, _)| name));
    for ((name, seeds), (_, property)) in all.iter().zip(targets) {
        let read = seeds.iter().filter(|(_, bytes)| property(bytes)).count();
        assert!(read > 0 && read * 2 >= seeds.len(), "{name}: {read} of {} seeds are read", seeds.len());
    }
}

/// Inputs of a hundred kilobytes, each as dense as its notation allows: here memory in proportion shows, and not what a reader takes anyway.
#[test]
fn memory_stays_in_proportion_where_an_input_is_dense() {
    let repeat = |piece: &str| piece.repeat(100_000 / piece.len());
    let list = |piece: &str| format!("[{}{piece}]", repeat(&format!("{piece},")));
    for rows in ["a,b\n", "x,\"\"\n", ",\n", "a,b,c,d,e,f,g,h,i,j\n", "a\tb\r\n", "text;l\n", "a,b,c,d,\n1,2,,,\n"] {
        p::table(repeat(rows).as_bytes());
    }
    for object in [r#"{"a":1,"b":2}"#, r#"{"a":"","b":[]}"#, r#"{"a":{"b":{"c":1}}}"#, "{}", "[]", r#"["a",1]"#, "[[]]"] {
        p::json(list(object).as_bytes());
        p::json(repeat(&format!("{object}\n")).as_bytes());
        p::json(format!(r#"{{"data":{}}}"#, list(object)).as_bytes());
    }
    let cells: String =
        (1..2000).map(|row| format!(r#"<row r="{row}"><c r="A{row}"><v>1</v></c><c r="B{row}"/></row>"#)).collect();
    let sheet = format!("<worksheet><sheetData>{}</sheetData></worksheet>", &cells[..60_000]);
    let strings = format!("<sst>{}</sst>", "<si/>".repeat(12_000));
    for (part, content) in [(1_u8, sheet), (2, strings)] {
        let length = u16::try_from(content.len()).expect("short").to_le_bytes();
        p::workbook(&[&[part, length[0], length[1]], content.as_bytes()].concat());
    }
    for settings in [list("0"), format!(r#"{{"more":{}}}"#, list("{}")), repeat("["), repeat(r#"{"a":"#)] {
        p::settings(settings.as_bytes());
        p::encoder_config(settings.as_bytes());
        p::cells(settings.as_bytes());
        p::tokenizer(settings.as_bytes());
    }
    p::cells(list(r#"{"name":"","seed":1}"#).as_bytes());
    let vocabulary: String = (0..6_000).map(|i| format!(r#""{i}":{i},"#)).collect();
    p::tokenizer(format!(r#"{{"model":{{"type":"WordPiece","vocab":{{{vocabulary}"[UNK]":6000}},"unk_token":"[UNK]","continuing_subword_prefix":"\#\#","max_input_chars_per_word":9}}}}"#).replace("\\#", "#").as_bytes());
    let header: String = (0..1500).map(|i| format!(r#""{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}},"#)).collect();
    let header = format!(r#"{{{header}"a":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}}}"#);
    p::tensors(&[&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat());
    let orders = format!(r#"{{"format":3,"orders":[[1,{},0]]}}"#, list("0"));
    let length = orders.len().to_le_bytes();
    p::checkpoint(&[&length[..3], &[0, 0, 0], orders.as_bytes()].concat());
}
