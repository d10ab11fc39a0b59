//! Whole files classified: files of texts alone, right labels in another notation, and the file that is written.

use softprompt::config::{DataConfig, DeviceChoice};
use softprompt::data::table::Table;
use softprompt::predict::Predictor;
use softprompt::predict::file::LabelledFile;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::labelled::{adapter, cells, labelled, predictor};
use crate::tiny::tiny_model;

const MARK: &[u8] = b"\xEF\xBB\xBF";

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_csv_opens_in_a_spreadsheet() {
    let predictor = predictor(&["a", "b"]).await;
    for (name, file, separator, marked) in [
        ("t.csv", "id,text\n1,will it rain, caf\u{e9}\n".replace(", caf", " caf"), b',', true),
        ("t.csv", "id;text\n1;caf\u{e9}\n2;na\u{ef}ve\n".to_owned(), b';', true),
        ("t.tsv", "id\ttext\n1\tcaf\u{e9}\n2\tna\u{ef}ve\n".to_owned(), b'\t', false),
        ("t.txt", "caf\u{e9}\nna\u{ef}ve\n".to_owned(), b',', true),
    ] {
        let out = labelled(&predictor, file.as_bytes(), name).await.to_bytes().unwrap();
        assert_eq!(out.starts_with(MARK), marked, "{name}");
        assert_eq!(out.windows(3).filter(|bytes| *bytes == MARK).count(), usize::from(marked));
        let read = cells(&out, separator);
        assert!(read[read.len() - 1].iter().any(|cell| cell.contains("na\u{ef}ve") || cell.contains("caf\u{e9}")), "{read:?}");
        // And it is read as the table that it is.
        if name != "t.txt" {
            let again = Table::from_bytes(&out).unwrap();
            assert_eq!(again.columns, ["id", "text", "predicted_label", "predicted_probability"], "{name}");
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn files_of_texts_alone_are_classified_whatever_they_are() {
    let predictor = predictor(&["a", "b"]).await;
    let utf16: Vec<u8> = "will it rain\r\nplay a song\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let files: [(&str, Vec<u8>, usize); 7] = [
        ("t.jsonl", b"{\"text\": \"will it rain\"}\n{\"text\": \"play, a song\"}\n".to_vec(), 2),
        ("t.json", b"[\"will it rain\", \"play, a song\", \"fish\"]".to_vec(), 3),
        ("t.tsv", b"text\nwill it rain, so\nplay, a song\n".to_vec(), 2),
        ("t.txt", utf16, 2),
        ("t.txt", b"will it rain\rplay a song\r".to_vec(), 2),
        ("t.txt", b"will it rain in the caf\xE9\nplay a song\n".to_vec(), 2),
        ("t.jsonl", b"{\"text\": [\"will\", \"it\", \"rain\"]}\n{\"text\": [\"play\"]}\n".to_vec(), 2),
    ];
    for (name, bytes, rows) in files {
        let file = labelled(&predictor, &bytes, name).await;
        let progress = file.progress();
        assert_eq!((progress.done, progress.rows, progress.empty), (rows, rows, 0), "{name}");
        assert_eq!((file.view().columns.as_slice(), file.view().label_column), (&["text".to_owned()][..], None), "{name}");
    }
    // A text that shows nothing gets no label.
    let file = labelled(&predictor, "id,text\n1,rain\n2,\u{200b}\u{feff}\n3,song\n".as_bytes(), "t.csv").await;
    assert_eq!(file.progress().empty, 1);
    assert_eq!(cells(&file.to_bytes().unwrap(), b',')[2], ["2", "\u{200b}\u{feff}", "", ""]);
    // The file may have no column that looks like labels, and a text column of another name.
    let file = labelled(
        &predictor,
        b"nr,ticket_body,day\n1,will it rain,2024-05-01\n2,play a song,2024-05-02\n3,so it is,2024-05-03\n",
        "t.csv",
    )
    .await;
    assert_eq!(file.view().text_column, 1);
}

/// What is right is known by the classes of the adapter, in whatever notation.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn right_labels_are_merged_as_in_training() {
    let texts = ["will it rain", "play a song", "the fish was cold", "so it is"];
    let judged = |labels: [&'static str; 2], classes: [&'static str; 2], merge: bool| async move {
        let model = tiny_model();
        let mut adapter = adapter(&model, &classes);
        adapter.head_bias = vec![1e4, 0.0];
        adapter.config.data.merge_labels = merge;
        let predictor = Predictor::new(model, adapter, DeviceChoice::Cpu).await.unwrap();
        let rows: String = texts.iter().enumerate().map(|(i, text)| format!("{text},{}\n", labels[i % 2])).collect();
        let mut file = LabelledFile::open(
            format!("text,truth\n{rows}").as_bytes(),
            "t.csv",
            predictor.adapter(),
            None,
            &DataConfig::default(),
        )
        .unwrap();
        while file.next(&predictor).await.unwrap() {}
        let progress = file.progress();
        (file.view().label_column, progress.judged, progress.right, progress.unknown)
    };
    assert_eq!(judged(["0", "1"], ["0", "1"], false).await, (Some(1), 4, 2, 0));
    assert_eq!(judged(["0.0", "1.0"], ["0", "1"], false).await, (Some(1), 4, 2, 0));
    assert_eq!(judged(["re\u{301}clame\u{301}", "b\u{200b}"], ["r\u{e9}clam\u{e9}", "b"], false).await, (Some(1), 4, 2, 0));
    assert_eq!(judged(["['food']", "['music']"], ["food", "music"], false).await, (Some(1), 4, 2, 0));
    assert_eq!(judged(["Food", "Music"], ["food", "music"], false).await, (None, 0, 0, 0));
    assert_eq!(judged(["Food", "MUSIC"], ["food", "music"], true).await, (Some(1), 4, 2, 0));
    assert_eq!(judged(["food", "dance"], ["food", "music"], false).await, (Some(1), 4, 2, 2));
}
