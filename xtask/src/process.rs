//! Child processes: printed before they run, with their output passed on and, if needed, read; errors name the command.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use crate::{Paths, Result};

/// A command in the repository's root; tools installed by xtask take precedence.
pub fn command(paths: &Paths, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let tools = paths.tools().join("bin");
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&inherited))).unwrap_or(inherited);
    command.current_dir(&paths.root).env("PATH", path).env("CARGO_TARGET_DIR", &paths.target);
    command
}

/// The `cargo` that runs xtask. It does not inherit what `cargo run` sets for xtask itself: build scripts that look at such
/// variables would run again, and a build by hand and one by xtask would undo each other.
pub fn cargo(paths: &Paths, args: &[&str]) -> Command {
    let mut cargo = command(paths, std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let own =
        |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
    std::env::vars_os().filter(|(name, _)| own(name)).for_each(|(name, _)| {
        cargo.env_remove(name);
    });
    cargo.args(args);
    cargo
}

/// `npm` in `web/`.
pub fn npm(paths: &Paths, args: &[&str]) -> Command {
    let mut npm = command(paths, if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.current_dir(paths.web()).args(args);
    npm
}

/// The command as it would be typed.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args()).map(|word| {
        let word = word.to_string_lossy();
        if word.is_empty() || word.contains([' ', '"', '\'', ';', '$']) { format!("'{word}'") } else { word.into_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Runs it with its output on ours.
pub fn run(command: &mut Command) -> Result<()> {
    let text = shown(command);
    println!("  $ {text}");
    let status = command.status().map_err(|e| format!("could not start `{text}`: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{text}` failed ({status})")) }
}

/// How a command ended whose output was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Succeeded,
    Failed,
    /// It wrote nothing for longer than allowed, and was killed.
    Stalled,
}

/// Runs it with its output on ours, line by line. Returns all output, stdout and stderr in the order written, and how the command
/// ended. If it writes nothing for `silence`, it is killed with all processes that it started.
pub fn run_and_read(command: &mut Command, silence: Option<Duration>) -> Result<(End, String)> {
    let text = shown(command);
    println!("  $ {text}");
    let problem = |e: std::io::Error| format!("`{text}`: {e}");
    let (reader, writer) = std::io::pipe().map_err(problem)?;
    command.stdin(Stdio::null()).stdout(writer.try_clone().map_err(problem)?).stderr(writer);
    #[cfg(unix)]
    if silence.is_some() {
        // In its own process group, which can be killed as a whole.
        std::os::unix::process::CommandExt::process_group(command, 0);
    }
    let mut child = command.spawn().map_err(|e| format!("could not start `{text}`: {e}"))?;
    // The command holds the writing end of the pipe; as long as it exists here, reading would not end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (sender, lines) = std::sync::mpsc::channel();
    // Not joined: a grandchild that outlives the command may hold the pipe open.
    std::thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) && sender.send(std::mem::take(&mut line)).is_ok() {}
    });
    let mut output = String::new();
    loop {
        let line = match silence {
            None => lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(silence) => lines.recv_timeout(silence),
        };
        match line {
            Ok(line) => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(&line).and_then(|()| stdout.flush()).map_err(problem)?;
                output.push_str(&String::from_utf8_lossy(&line));
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                end(&mut child);
                return Ok((End::Stalled, output));
            }
        }
    }
    let succeeded = child.wait().map_err(problem)?.success();
    Ok((if succeeded { End::Succeeded } else { End::Failed }, output))
}

/// Kills a command and, if the system has process groups, everything that it started.
fn end(child: &mut Child) {
    #[cfg(unix)]
    let _ = Command::new("kill").args(["-9", "--"]).arg(format!("-{}", child.id())).status();
    let _ = child.kill();
    let _ = child.wait();
}

/// Standard output of a command if it succeeded, for queries such as `--version`.
pub fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The path of a program on the search path, if found.
pub fn which(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = if cfg!(windows) { vec![format!("{program}.exe"), format!("{program}.cmd")] } else { vec![program.to_owned()] };
    std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)).collect::<Vec<_>>())
        .find(|p| p.is_file())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn output_is_read_to_its_end() {
        let read = |script| run_and_read(&mut shell(script), Some(Duration::from_secs(60))).expect("a shell");
        assert_eq!(read("echo one; echo two >&2"), (End::Succeeded, "one\ntwo\n".to_owned()));
        assert_eq!(read("printf end; exit 3"), (End::Failed, "end".to_owned()));
    }

    /// Also what it started is gone: otherwise the shell's child would write its file.
    #[test]
    fn a_command_that_stands_still_is_ended() {
        let file = std::env::temp_dir().join(format!("xtask-{}", std::process::id()));
        let script = format!("echo begun; (sleep 3; touch '{}') & wait", file.display());
        let ended = run_and_read(&mut shell(&script), Some(Duration::from_secs(1))).expect("a shell");
        assert_eq!(ended, (End::Stalled, "begun\n".to_owned()));
        std::thread::sleep(Duration::from_secs(3));
        assert!(!file.exists(), "a child lived on");
    }
}
