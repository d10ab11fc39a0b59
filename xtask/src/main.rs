//! `cargo xtask`: builds the page, serves it, and runs every check, after setting up what is missing. Standard library only, so
//! that it compiles in seconds on a machine with nothing installed.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a program for the terminal, which nothing links to"
)]

mod bench;
mod changed;
mod checks;
mod counts;
mod page;
mod process;
mod serve;
mod setup;
mod soak;
mod stages;
mod system;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// An error, as a message for the terminal.
type Result<T, E = String> = std::result::Result<T, E>;

const HELP: &str = "cargo xtask COMMAND

  serve [--port N]     set up what is missing, build the page, serve it on 127.0.0.1 (default port: 8080)
  page                 set up what is missing, build the page into web/dist and the npm package into web/package/dist
  test [OPTIONS]       set up what is missing, run every check, cheapest first
      --only STAGE       run only this stage; may be repeated
      --skip STAGE       skip this stage; may be repeated
      --changed          run only the stages that the changed files can affect
      --since COMMIT     the same, for changes since this commit (default: where the branch left main, or the last commit)
      --keep-going       continue after a failed stage
  bench browser [...]  set up what is missing, run the training step of this crate and of its peers in a page of a headless
                       Chromium (`bench browser --help` lists the options)
  bench page [...]     set up what is missing, build the page, measure its response times and how long its main thread is blocked
                       (options go to Playwright, such as `--grep \"4 files\"`)
  soak [--kills N] [--seed S]
                       train with the tiny encoder, kill the program N times (default: 20) with SIGKILL at random moments, and resume;
                       the adapters must equal those of uninterrupted runs. With --page: in the built page, killing the browser
  types                generate web/src/contract.generated.ts from the crate's types
  setup                only set up what `test` and `serve` need

Build outputs and installed tools go to the cargo target folder (CARGO_TARGET_DIR, else target/).";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("\nxtask: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<ExitCode> {
    let paths = Paths::find()?;
    match args {
        ["serve", rest @ ..] => {
            // Before the build, which may take minutes.
            let listener = serve::listen(port(rest)?)?;
            page::build_page(&paths)?;
            serve::serve(&paths.web().join("dist"), &listener)?;
        }
        ["page"] => page::build(&paths)?,
        ["bench", "browser", options @ ..] => bench::browser(&paths, options)?,
        ["bench", "page", options @ ..] => bench::page(&paths, options)?,
        ["soak", options @ ..] => soak::soak(&paths, options)?,
        ["types"] => page::types(&paths)?,
        ["setup"] => checks::set_up(&paths)?,
        ["test", rest @ ..] => return checks::run_stages(&paths, &checks::Options::parse(rest)?),
        ["help" | "--help" | "-h"] | [] => println!("{HELP}\n\nStages: {}", checks::names().join(", ")),
        other => return Err(format!("unknown command: {}\n\n{HELP}", other.join(" "))),
    }
    Ok(ExitCode::SUCCESS)
}

fn port(args: &[&str]) -> Result<u16> {
    match args {
        [] => Ok(8080),
        ["--port", number] => number.parse().map_err(|_| format!("--port {number} is not a port number")),
        other => Err(format!("unknown option of serve: {}", other.join(" "))),
    }
}

/// Paths of the project.
struct Paths {
    /// The repository.
    root: PathBuf,
    /// The cargo target folder.
    target: PathBuf,
}

impl Paths {
    fn find() -> Result<Self> {
        // At run time, not `env!`: with one target folder for several checkouts, a cached binary would check the one it was built
        // in.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("run it as `cargo xtask`")?;
        let root = Path::new(&manifest).parent().ok_or("xtask has no parent folder")?.to_path_buf();
        // The running binary is in TARGET/PROFILE/, whether TARGET was set by an environment variable, a config file or the
        // default.
        let exe = std::env::current_exe().map_err(|e| format!("own path: {e}"))?;
        let target = exe.ancestors().nth(2).ok_or("xtask does not run from a target folder")?.to_path_buf();
        Ok(Self { root, target })
    }

    /// `web/`.
    fn web(&self) -> PathBuf {
        self.root.join("web")
    }

    /// Executables installed by xtask: not in the user's own folders, where another project may need another version.
    fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }
}
