//! Where results go and what is read: places that are taken, that are no folder or file, and files without an end.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use softprompt::adapter::Adapter;

use super::{ADAPTER_FILES, TINY, Workspace, training};

#[test]
fn two_trainings_never_write_to_the_same_folder() {
    let workspace = Workspace::new();
    let long = training(&["--steps", "100000", "--patience", "never", "--evaluations", "1000", "--out", "out", "--json"]);
    let mut first = workspace.command(&long).spawn().unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"event\":\"eval\"")), "it ended before an evaluation");
    let checkpoint = || fs::metadata(workspace.path("out.checkpoint")).is_ok();
    assert!(checkpoint());
    for more in [&["--out", "out"][..], &["--out", "./out/"], &["--out", "out", "--resume"]] {
        workspace
            .train(more)
            .failed(1, &["out", "another process is writing its results here", "choose another folder with --out"]);
    }
    let compare =
        ["compare", "data.csv", "--model", TINY, "--device", "cpu", "--methods", "probe", "--seeds", "1", "--out", "out"];
    workspace.run(&compare).failed(1, &["another process is writing its results here"]);
    assert!(checkpoint(), "nothing was touched");
    first.kill().unwrap();
    first.wait().unwrap();
    // With the process, its lock is gone.
    workspace.train(&["--out", "out", "--steps", "3"]).succeeded();
    assert_eq!(workspace.names("."), ["data.csv", "held.csv", "out"], "no lock is left");
}

#[test]
fn a_place_that_is_no_folder_or_file_is_refused_before_anything_is_trained() {
    let workspace = Workspace::new();
    // No training could be so fast as to end in these tests.
    let train = |more: &[&str]| workspace.train(&[&["--steps", "100000000"], more].concat());
    train(&["--out", "held.csv/x"]).failed(1, &["held.csv/x", "held.csv is not a folder", "--out"]);
    train(&["--out", "held.csv/x/y"]).failed(1, &["held.csv is not a folder"]);
    train(&["--report", "held.csv/x.html"]).failed(1, &["held.csv is not a folder"]);
    fs::create_dir(workspace.path("reports")).unwrap();
    train(&["--report", "reports"]).failed(1, &["reports", "is a folder, not a file"]);
    train(&["--report", "reports/"]).failed(1, &["is a folder, not a file"]);
    let compare = |out: &str| workspace.run(&["compare", "data.csv", "--model", TINY, "--out", out]);
    compare("held.csv").failed(1, &["held.csv", "is a file, but the results are a folder", "--out"]);
    compare("held.csv/x").failed(1, &["held.csv is not a folder"]);
    assert_eq!(workspace.names("."), ["data.csv", "held.csv", "reports"]);
    assert!(workspace.names("reports").is_empty());
}

#[cfg(unix)]
#[test]
fn a_device_is_no_place_for_results() {
    use std::os::unix::fs::symlink;
    let workspace = Workspace::new();
    let pipe = workspace.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // It would be waited for, written through, or replaced.
    workspace.train(&["--out", "pipe"]).failed(1, &["pipe", "is neither a folder nor a file", "--out"]);
    workspace.train(&["--report", "pipe"]).failed(1, &["pipe", "is a device or a pipe"]);
    workspace.train(&["--out", "/dev/null"]).failed(1, &["/dev/null", "is neither a folder nor a file"]);
    symlink("nowhere", workspace.path("link")).unwrap();
    workspace.train(&["--out", "link"]).failed(1, &["link", "is neither a folder nor a file"]);
    assert!(pipe.exists() && !workspace.path("data-adapter").exists());
}

#[cfg(unix)]
#[test]
fn a_file_without_an_end_is_not_read_to_its_end() {
    let workspace = Workspace::new();
    workspace.train(&[]).succeeded();
    let limit = ["does not end within 256 MB, which is the limit", "use fewer rows"];
    workspace.run(&["train", "/dev/zero", "--model", TINY]).failed(1, &limit);
    workspace.run(&["inspect", "/dev/zero"]).failed(1, &limit);
    workspace.run(&["predict", "data-adapter", "--file", "/dev/zero"]).failed(1, &limit);
    workspace.run(&["eval", "data-adapter", "/dev/zero"]).failed(1, &limit);
    workspace.run(&["predict", "/dev/zero"]).failed(1, &["does not end within", "give an adapter"]);
    workspace.train(&["--config", "/dev/zero"]).failed(1, &["does not end within 100 MB", "JSON file"]);
    let predict = ["predict", "data-adapter", "--model", TINY, "--device", "cpu", "--json"];
    let from = |file: &str| {
        let stdin = fs::File::open(file).unwrap();
        let output = workspace.command(&predict).stdin(Stdio::from(stdin)).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = from("/dev/zero");
    assert!(code == Some(1) && said.contains("NUL bytes") && said.contains("row 1"), "{said}");
    // A pipe that never stops, on one line.
    let mut child = workspace.command(&predict).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    while stdin.write_all(&[b'a'; 1 << 16]).is_ok() {}
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("does not end within 1 MB"), "{said}");
    assert!(said.contains("one text per line"), "{said}");
}

#[test]
fn a_large_file_is_refused_by_its_size() {
    let workspace = Workspace::new();
    // Sparse: it takes no space.
    fs::File::create(workspace.path("large.csv")).unwrap().set_len(400_000_000).unwrap();
    workspace
        .run(&["train", "large.csv", "--model", TINY])
        .failed(1, &["large.csv", "has 400 MB; the limit is 256 MB", "fewer rows"]);
}

#[test]
fn a_line_of_stdin_is_utf_8_or_refused() {
    let workspace = Workspace::new();
    workspace.train(&[]).succeeded();
    for (text, mark) in [("play a song\n", false), ("play a song\n", true)] {
        let mut bytes = if mark { vec![0xFF, 0xFE] } else { Vec::new() };
        bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        let mut child = workspace.command(&["predict", "data-adapter", "--model", TINY, "--device", "cpu"]).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        let (said, shown) = (String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap());
        assert_eq!((output.status.code(), shown.as_str()), (Some(1), ""), "{said}");
        assert!(
            said.contains("row 1") && said.contains("UTF-16") && said.contains("--file, which reads every encoding"),
            "{said}"
        );
    }
}

#[test]
fn texts_with_a_comma_and_a_last_line_are_told() {
    let workspace = Workspace::new();
    workspace.train(&[]).succeeded();
    let predict =
        |file: &str| workspace.run(&["predict", "data-adapter", "--model", TINY, "--device", "cpu", "--file", file]).succeeded();
    workspace.write("comma.csv", "play a song\nwill it rain, today\n");
    let comma = predict("comma.csv");
    assert!(
        comma.stdout.contains("will it rain, today") && comma.stderr.contains("each line is read as one text"),
        "{}",
        comma.stderr
    );
    workspace.write("total.csv", "text\nplay a song\nis it cold\nTotal: 2\n");
    let total = predict("total.csv");
    assert!(total.stderr.contains("the last row (4) looks like a total, but is read as a text: `Total: 2`"), "{}", total.stderr);
}

/// A zip of these files, each empty.
fn zip(names: &[&str]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in names {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored))
            .unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn a_zip_that_is_no_adapter_says_what_it_holds() {
    let workspace = Workspace::new();
    workspace.write("tables.zip", zip(&["train.csv", "sub/test.csv"]));
    let words = [
        "tables.zip",
        "is a zip of other files (train.csv, sub/test.csv), not an adapter",
        "unpack it and give the table inside",
    ];
    workspace.run(&["inspect", "tables.zip"]).failed(1, &words);
    workspace.run(&["predict", "tables.zip"]).failed(1, &words);
    workspace.write("none.zip", zip(&[]));
    assert_eq!(workspace.run(&["inspect", "none.zip"]).code, Some(1));
    // A workbook under another name is one, and so is an adapter.
    workspace.write("book.zip", include_bytes!("../../files/tickets.xlsx"));
    assert!(workspace.run(&["inspect", "book.zip"]).succeeded().stdout.contains("Excel workbook"));
    workspace.train(&[]).succeeded();
    let files: Vec<_> = ADAPTER_FILES.iter().map(|name| (*name).to_owned()).zip(workspace.adapter("data-adapter")).collect();
    workspace.write("adapter.bin", Adapter::from_files(&files).unwrap().to_zip().unwrap());
    assert!(workspace.run(&["inspect", "adapter.bin"]).succeeded().stdout.contains("an adapter"));
}
