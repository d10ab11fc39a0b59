//! Which columns are the texts and the labels: by what their cells are, with a word on what else could be.

use softprompt::config::DataConfig;
use softprompt::data::dataset::{Candidates, ColumnChoice, DataReport, Dataset};
use softprompt::data::table::Table;
use softprompt::data::view::TableView;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::table;

pub const TEXTS: [&str; 12] = [
    "the kettle arrived early and boils in a minute",
    "the hinge snapped on day two",
    "lovely shade of green on these curtains",
    "paint peels off when it rains",
    "my niece adores the wooden train",
    "the shirt shrank to half its size",
    "strong coffee and a warm welcome",
    "cold fries and a rude cashier",
    "the zip on this tent never sticks",
    "the strap tore before lunch",
    "sharp knives and a sturdy block",
    "buttons fell off in the wash",
];

/// The cells of a column.
type Cells = fn(usize) -> String;

/// A text that no other row has.
pub fn text(i: usize) -> String {
    let again = ["", " again", " once more", " as before"][i / TEXTS.len() % 4];
    format!("{}{again}", TEXTS[i % TEXTS.len()])
}

/// A file with this header, which may be empty, and 48 rows of quoted cells.
pub fn made(header: &str, cells: &dyn Fn(usize) -> Vec<String>) -> Table {
    let row = |i: usize| cells(i).iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect::<Vec<_>>().join(",");
    let rows: Vec<String> = (0..48).map(row).collect();
    let header = if header.is_empty() { String::new() } else { format!("{header}\n") };
    table(format!("{header}{}\n", rows.join("\n")))
}

fn choice(table: &Table) -> (usize, usize) {
    let ColumnChoice { text, label } = ColumnChoice::guess(table, &DataConfig::default()).unwrap();
    (text, label)
}

fn candidates(table: &Table) -> Candidates {
    let config = DataConfig::default();
    ColumnChoice::guess(table, &config).unwrap().candidates(table, &config)
}

pub fn notes(table: &Table) -> Vec<String> {
    let config = DataConfig::default();
    DataReport::with_config(table, ColumnChoice::guess(table, &config).unwrap(), &config).notes
}

/// Digits that look drawn.
fn mixed(i: usize) -> u64 {
    (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn uuid(i: usize) -> String {
    let (a, b) = (format!("{:016x}", mixed(i)), format!("{:016x}", mixed(i + 100)));
    format!("{}-{}-{}-{}-{}", &a[..8], &a[8..12], &a[12..], &b[..4], &b[4..])
}

/// What no text is, however long: cells of a kind, and how such a column is called where its name is no help.
fn others() -> Vec<(&'static str, Cells)> {
    vec![
        ("uuid", uuid),
        ("hash", |i| format!("{:016x}{:016x}{:08x}", mixed(i), mixed(i + 7), mixed(i + 9) as u32)),
        ("web address", |i| format!("https://example.org/item/{}?ref=abc", i * 31)),
        ("date", |i| format!("2024-05-{:02}", i % 28 + 1)),
        ("date and time", |i| format!("2024-05-{:02} 10:{:02}:00 +02:00", i % 28 + 1, i)),
        ("date in words", |i| format!("Mon Apr {:02} 22:19:{:02} PDT 2009", i % 28 + 1, i)),
        ("Chinese date", |i| format!("2024年5月{}日 {}时{:02}分", i % 28 + 1, i % 24, i)),
        ("post address", |i| format!("{} Long Garden Street, Upper Flat {i}, Northwick Bay NB{i} 4QX", i * 3 + 1)),
        ("browser", |i| format!("Mozilla/5.0 (X11; Linux x86_64; rv:{i}.0) Gecko/20100101 Browser/{i}.0 (build {})", i * 7)),
        ("file", |i| format!("recordings/2024/05/03/session_{i:04}_channel_left.wav")),
        ("Windows file", |i| format!("C:\\data\\{i}\\part\\scan{i}.png")),
        ("mail", |i| format!("person{i}@mail.example.org")),
        ("phone", |i| format!("+49 30 {} {:03}", 1000 + i * 7, i)),
        ("network", |i| format!("10.0.{i}.{}", i * 5)),
        ("price", |i| format!("${}.99", i * 13 + 1)),
        ("number", |i| format!("{}", i * 17 + 4000)),
        ("place", |i| format!("{}.5, -{}.25", 40 + i, 70 + i)),
        ("ticket number", |i| format!("INC-{:06}", i * 991)),
        ("base64", |i| format!("{:x}QQ==", mixed(i))),
        ("template", |i| {
            format!("closed by the system after {i} days without an answer of the customer, thank you for your patience")
        }),
    ]
}

#[wasm_bindgen_test(unsupported = test)]
fn no_column_of_one_pattern_is_the_text() {
    for (name, other) in others() {
        for short in [false, true] {
            let words = |i: usize| {
                if short { format!("{}{}", ["great", "awful", "slow", "fine"][i % 4], "!".repeat(i / 4 + 1)) } else { text(i) }
            };
            let kind = |i: usize| ["up", "down"][i % 2].to_owned();
            let found = made("a,b,c", &|i| vec![other(i), words(i), kind(i)]);
            assert_eq!(choice(&found), (1, 2), "{name}, short {short}");
            let found = made("c,b,a", &|i| vec![kind(i), words(i), other(i)]);
            assert_eq!(choice(&found), (1, 0), "{name}, short {short}, behind");
        }
    }
}

/// Texts without spaces, and what stands beside them.
#[wasm_bindgen_test(unsupported = test)]
fn texts_without_spaces_are_texts() {
    let scripts: [(&str, [&str; 4], [&str; 2]); 6] = [
        ("Chinese", ["这家店的咖啡很好喝", "快递太慢了等了五天", "衣服颜色和图片一样", "客服态度非常差"], ["好", "坏"]),
        (
            "Japanese",
            ["配達が遅くて困りました", "とても美味しいお菓子でした", "箱が壊れていました", "また買いたいです"],
            ["苦情", "お礼"],
        ),
        ("Thai", ["ส่งของช้ามาก", "กาแฟอร่อยมาก", "สีไม่เหมือนในรูป", "พนักงานพูดไม่ดี"], ["ดี", "แย่"]),
        ("Khmer", ["ការដឹកជញ្ជូនយឺតណាស់", "កាហ្វេឆ្ងាញ់ណាស់", "ពណ៌មិនដូចក្នុងរូប", "បុគ្គលិកមិនល្អ"], ["ល្អ", "អាក្រក់"]),
        ("Burmese", ["ပို့ဆောင်မှုနှေးတယ်", "ကော်ဖီအရမ်းကောင်းတယ်", "အရောင်မတူဘူး", "ဝန်ထမ်းမကောင်းဘူး"], ["ကောင်း", "ဆိုး"]),
        ("one word", ["haus", "strasse", "baum", "hund"], ["n", "m"]),
    ];
    for (script, texts, kinds) in scripts {
        for (name, other) in others().into_iter().filter(|(name, _)| *name != "template") {
            let words =
                |i: usize| format!("{}{}", texts[i % 4], ["", "s", "er", "en", "a", "o", "u", "i", "e", "y", "ik", "ok"][i / 4]);
            let found = made("x,y,z", &|i| vec![other(i), words(i), kinds[i % 2].to_owned()]);
            // A post address in a file of single words is a text as good as they are.
            if script == "one word" && name == "post address" {
                continue;
            }
            assert_eq!(choice(&found), (1, 2), "{script} beside {name}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn labels_are_told_from_what_is_known_about_a_row() {
    let kind = |i: usize| ["billing", "delivery", "login"][i * 7 % 3].to_owned();
    let others: Vec<(&str, Cells)> = vec![
        ("annotator", |i| (i % 2 + 1).to_string()),
        ("updated_by", |i| ["anna", "ben"][i % 2].to_owned()),
        ("completedBy", |i| (i % 2).to_string()),
        ("language", |i| ["en", "de", "fr"][i % 3].to_owned()),
        ("Language", |i| ["English", "German"][i % 2].to_owned()),
        ("fold", |i| (i % 5).to_string()),
        ("cv_fold", |i| (i % 5).to_string()),
        ("source", |i| ["web", "app"][i % 2].to_owned()),
        ("user", |i| format!("u{}", i % 4)),
        ("user_id", |i| (i % 4).to_string()),
        ("lang", |i| ["zh-CN", "en-US"][i % 2].to_owned()),
        ("device", |i| ["phone", "desk"][i % 2].to_owned()),
        ("created_at", |i| format!("2024-05-0{}", i % 3 + 1)),
        ("city", |i| ["Graz", "Lima"][i % 2].to_owned()),
        ("batch", |i| (i / 24).to_string()),
        ("likes", |i| (i % 9).to_string()),
        ("part", |i| ["train", "test"][i % 2].to_owned()),
    ];
    for (name, other) in others {
        let found = made(&format!("{name},note,which_team"), &|i| vec![other(i), text(i), kind(i)]);
        assert_eq!(choice(&found), (1, 2), "{name} first");
        let found = made(&format!("which_team,note,{name}"), &|i| vec![kind(i), text(i), other(i)]);
        assert_eq!(choice(&found), (1, 0), "{name} last");
        // It is the label where there is no other, and that is said.
        let found = made(&format!("nr,note,{name}"), &|i| vec![i.to_string(), text(i), other(i)]);
        assert_eq!(choice(&found), (1, 2), "{name} alone");
        if !["likes", "part"].contains(&name) {
            assert!(
                notes(&found).iter().any(|note| note.contains("whose name suggests metadata")),
                "{name}: {:?}",
                notes(&found)
            );
        }
    }
    // Long labels, a language beside them; Label Studio's export of a field of any name.
    let long = made("language,note,outcome", &|i| {
        let outcome = ["accepted by the board", "rejected by the board"][i % 2];
        vec![["en", "de", "fr"][i % 3].into(), text(i), outcome.into()]
    });
    assert_eq!(choice(&long), (1, 2));
    let studio = made("text,id,which_team,annotator,annotation_id,created_at,updated_at,lead_time", &|i| {
        let day = format!("2024-05-03T10:{i:02}:00Z");
        vec![text(i), i.to_string(), kind(i), (i % 2 + 1).to_string(), (i + 9).to_string(), day.clone(), day, format!("{i}.5")]
    });
    assert_eq!((choice(&studio), notes(&studio)), ((0, 2), vec![]));
}

/// Files of well-known data sets, which have no header or many columns.
#[wasm_bindgen_test(unsupported = test)]
fn well_known_files_are_read_as_they_are_meant() {
    let polarity = |i: usize| ["0", "4"][i % 2].to_owned();
    let cases: Vec<(&str, Table, (usize, usize))> = vec![
        (
            "sentiment140",
            made("", &|i| {
                let date = format!("Mon Apr 06 22:19:{i:02} PDT 2009");
                vec![polarity(i), (1_467_810_369 + i).to_string(), date, "NO_QUERY".into(), format!("user{}", i % 7), text(i)]
            }),
            (5, 0),
        ),
        (
            "CoLA",
            made("", &|i| vec![["ab01", "cd02", "ef03"][i % 3].into(), (i % 2).to_string(), ["*", ""][i % 2].into(), text(i)]),
            (3, 1),
        ),
        (
            "disaster tweets",
            made("id,keyword,location,text,target", &|i| {
                vec![
                    i.to_string(),
                    ["", "fire", "flood"][i % 3].into(),
                    ["", "Lima, Peru", "Graz"][i % 3].into(),
                    text(i),
                    (i % 2).to_string(),
                ]
            }),
            (3, 4),
        ),
        ("folds", made("fold,note,is_urgent", &|i| vec![(i % 5).to_string(), text(i), (i % 2).to_string()]), (1, 2)),
        (
            "reviews",
            made("user,ts,remark,stars", &|i| {
                vec![format!("u{}", i % 4), format!("2024-05-{:02}", i % 28 + 1), text(i), (i % 5 + 1).to_string()]
            }),
            (2, 3),
        ),
        (
            "news",
            made("", &|i| {
                vec![(i % 4 + 1).to_string(), text(i), format!("{} said {} the agency on that day", text(i + 5), text(i + 7))]
            }),
            (2, 0),
        ),
        (
            "HTML",
            made("text,label", &|i| vec![format!("<p>{} &amp; more<br/></p>", text(i)), ["good", "bad"][i % 2].into()]),
            (0, 1),
        ),
        ("commas", table((0..24).fold("text;label\n".to_owned(), |all, i| all + &format!("{};{},5\n", text(i), i % 2))), (0, 1)),
    ];
    for (name, table, expected) in cases {
        assert_eq!(choice(&table), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn texts_that_are_left_out_are_said() {
    let pair = made("premise,hypothesis,label", &|i| {
        vec![format!("{} and {}", text(i), text(i + 1)), text(i * 5 % 48), ["yes", "no"][i % 2].into()]
    });
    assert_eq!((choice(&pair), candidates(&pair).text), ((0, 2), vec![0, 1]));
    assert_eq!(notes(&pair), ["column `hypothesis` also contains texts, which are not used; only `premise` is read"]);
    let numbered = made("index,sentence1,sentence2,gold_label", &|i| {
        vec![i.to_string(), text(i), TEXTS[i * 5 % 12].into(), ["yes", "no"][i % 2].into()]
    });
    assert_eq!((choice(&numbered), candidates(&numbered).text.len()), ((1, 3), 2));
    let three = made("subject,body,summary,queue", &|i| {
        vec![format!("about {}", TEXTS[i % 12]), format!("{} and {}", text(i), text(i + 1)), text(i), ["x", "y"][i % 2].into()]
    });
    assert!(notes(&three)[0].starts_with("columns `subject`, `summary` also contain texts"), "{:?}", notes(&three));
    // The page sees the same; what was chosen by hand is not asked again.
    let view = |text: Option<&str>| {
        let config = DataConfig { text_column: text.map(str::to_owned), ..DataConfig::default() };
        TableView::new(pair.clone(), &config)
    };
    let TableView { text_candidates, label_candidates, report, .. } = view(None);
    assert_eq!((text_candidates, label_candidates, report.notes.len()), (vec![0, 1], vec![2], 1));
    let TableView { text_candidates, report, .. } = view(Some("hypothesis"));
    assert_eq!((text_candidates, report.notes.len()), (vec![1], 0), "{:?}", report.notes);
    // What is about the row is no text that anybody misses, nor is a note on it.
    let address = made("address,remark,kind", &|i| {
        vec![format!("{i} {} Street, {}", TEXTS[i % 12], TEXTS[i * 7 % 12]), text(i), ["x", "y"][i % 2].into()]
    });
    assert_eq!((choice(&address), notes(&address).len()), ((1, 2), 0));
}

#[wasm_bindgen_test(unsupported = test)]
fn labels_that_could_be_another_column_are_said() {
    let two = made("text,mood,team", &|i| vec![text(i), ["glad", "sour"][i % 2].into(), ["cyan", "blue"][i / 2 % 2].into()]);
    assert_eq!((choice(&two), candidates(&two).label), ((0, 1), vec![1, 2]));
    assert_eq!(notes(&two), ["the labels could also be column `team`: `mood` is used; --label-column selects another column"]);
    let named = DataConfig { label_column: Some("team".into()), ..DataConfig::default() };
    let columns = ColumnChoice::guess(&two, &named).unwrap();
    assert_eq!((columns.label, columns.candidates(&two, &named).label), (2, vec![2]));
    // The same classes twice are no question.
    let same = made("text,label,label_text", &|i| vec![text(i), (i % 2).to_string(), ["neg", "pos"][i % 2].into()]);
    assert_eq!((candidates(&same).label, notes(&same).len()), (vec![1], 0));
    // A column a class.
    let one_hot = made("text,billing,delivery,login", &|i| {
        let mut cells = vec![text(i)];
        cells.extend((0..3).map(|class| u8::from(i % 3 == class).to_string()));
        cells
    });
    assert_eq!((choice(&one_hot), candidates(&one_hot).label), ((0, 1), vec![1, 2, 3]));
    assert!(notes(&one_hot)[0].starts_with("columns `billing`, `delivery`, `login` are one-hot labels"), "{:?}", notes(&one_hot));
    let toxic = made("id,comment_text,toxic,obscene,threat", &|i| {
        vec![format!("a{i:03}"), text(i), (i % 2).to_string(), (i % 3 / 2).to_string(), (i % 5 / 4).to_string()]
    });
    assert_eq!(choice(&toxic).0, 1);
    assert!(notes(&toxic)[0].starts_with("columns `toxic`, `obscene`, `threat` contain 0 or 1"), "{:?}", notes(&toxic));
    // A label of two values with a name of its own is no such column.
    let plain = made("text,has_link,label", &|i| vec![text(i), (i % 2).to_string(), (i / 2 % 2).to_string()]);
    assert_eq!((choice(&plain), notes(&plain)), ((0, 2), vec![]));
}

#[wasm_bindgen_test(unsupported = test)]
fn of_two_columns_with_one_name_the_likelier_one_is_read_and_it_is_said() {
    let labels =
        made("id,text,label,label", &|i| vec![i.to_string(), text(i), ["a", "b"][i % 2].into(), ["x", "y", "z"][i % 3].into()]);
    let texts = made("text,text,label", &|i| vec![format!("short {i}"), text(i), ["a", "b"][i % 2].into()]);
    let with = |text: Option<&str>, label: Option<&str>| DataConfig {
        text_column: text.map(str::to_owned),
        label_column: label.map(str::to_owned),
        ..DataConfig::default()
    };
    let told = |table: &Table, config: &DataConfig| {
        let columns = ColumnChoice::guess(table, config).unwrap();
        (
            columns.text,
            columns.label,
            DataReport::with_config(table, columns, config).notes.iter().any(|note| note.contains("are named")),
        )
    };
    assert_eq!(told(&labels, &with(None, None)), (1, 2, true));
    assert_eq!(told(&labels, &with(None, Some("label"))), (1, 2, true));
    assert_eq!(told(&labels, &with(None, Some("4"))), (1, 3, false));
    assert_eq!(told(&texts, &with(None, None)), (1, 2, true));
    assert_eq!(told(&texts, &with(Some("Text"), None)), (1, 2, true));
    assert_eq!(told(&texts, &with(Some("1"), Some("label"))), (0, 2, false));
    // The same columns in a second file.
    let set = Dataset::with_held_out(
        &texts,
        &made("text,text,label", &|i| {
            vec![format!("brief {i}"), format!("a new text {i} of {}", TEXTS[i % 12]), ["a", "b"][i % 2].into()]
        }),
        &with(None, None),
    );
    assert!(set.unwrap().held_out[0].text.starts_with("a new text"));
}

/// Of a long file some rows are looked at; classes in turn must not hide behind the step.
#[wasm_bindgen_test(unsupported = test)]
fn columns_of_long_files_are_found() {
    let mut rows = String::from("code,klasse\n");
    for i in 0..60_000 {
        rows.push_str(&format!("{},{}\n", 4000 + i * 17, ["a", "b", "c"][i % 3]));
    }
    let found = table(rows);
    assert_eq!(choice(&found), (0, 1));
    let notes = notes(&found);
    assert_eq!(notes, ["the texts of column `code` look like numbers: choose another text column if these are not the texts"]);
}
