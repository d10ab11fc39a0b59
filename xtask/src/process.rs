//! Child processes: said before they run, their failure named, their output passed on and, where wanted, read.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Paths, Result};

/// A command in the repository's root that finds xtask's own tools before others.
pub fn command(paths: &Paths, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let tools = paths.tools().join("bin");
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&inherited))).unwrap_or(inherited);
    command.current_dir(&paths.root).env("PATH", path).env("CARGO_TARGET_DIR", &paths.target);
    command
}

/// `cargo`, the one that runs xtask.
pub fn cargo(paths: &Paths, args: &[&str]) -> Command {
    let mut cargo = command(paths, std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(args);
    cargo
}

/// `npm` in `web/`.
pub fn npm(paths: &Paths, args: &[&str]) -> Command {
    let mut npm = command(paths, if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.current_dir(paths.web()).args(args);
    npm
}

/// The command as one would type it.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args()).map(|word| {
        let word = word.to_string_lossy();
        if word.is_empty() || word.contains([' ', '"', '\'', ';', '$']) { format!("'{word}'") } else { word.into_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Runs it, its output on ours.
pub fn run(command: &mut Command) -> Result<()> {
    let text = shown(command);
    println!("  $ {text}");
    let status = command.status().map_err(|e| format!("could not start `{text}`: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{text}` failed ({status})")) }
}

/// Runs it, its output on ours line by line; all of it, standard output and error in the order written, comes back with whether
/// the command succeeded.
pub fn run_and_read(command: &mut Command) -> Result<(bool, String)> {
    let text = shown(command);
    println!("  $ {text}");
    let problem = |e: std::io::Error| format!("`{text}`: {e}");
    let (reader, writer) = std::io::pipe().map_err(problem)?;
    command.stdin(Stdio::null()).stdout(writer.try_clone().map_err(problem)?).stderr(writer);
    let mut child = command.spawn().map_err(|e| format!("could not start `{text}`: {e}"))?;
    // The command holds the pipe's writing end: as long as it lives here, reading would not end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut output = String::new();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(problem)? > 0 {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&line).and_then(|()| stdout.flush()).map_err(problem)?;
        output.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok((child.wait().map_err(problem)?.success(), output))
}

/// Standard output of a command that succeeded, if it did: for questions such as `--version`.
pub fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where a program is: the search path, or nothing.
pub fn which(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = if cfg!(windows) { vec![format!("{program}.exe"), format!("{program}.cmd")] } else { vec![program.to_owned()] };
    std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)).collect::<Vec<_>>())
        .find(|p| p.is_file())
}
