//! `cargo xtask`: builds the page, serves it, and runs every check, after setting up what is missing. Standard library only, so
//! that it compiles in seconds on a machine that has nothing yet.

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

/// What failed, said to the person at the terminal.
type Result<T, E = String> = std::result::Result<T, E>;

const HELP: &str = "cargo xtask COMMAND

  serve [--port N]     set up what is missing, build the page, serve it on 127.0.0.1 (port 8080 unless told)
  page                 set up what is missing, build the page into web/dist
  test [OPTIONS]       set up what is missing, run every check, cheapest first
      --only STAGE       run this stage alone; may be repeated
      --skip STAGE       leave this stage out; may be repeated
      --changed          run only the stages that a change can touch: for the work in between, in minutes
      --since COMMIT     the same, counting from this commit (default: where the branch left main, or the last commit)
      --keep-going       continue after a stage that failed
  bench browser [...]  set up what is missing, run the training step of this crate and of its peers in one page of a headless
                       Chromium (`bench browser --help` lists the options)
  bench page [...]     set up what is missing, build the page, measure how long it takes for what and how long it stands still
                       (options go to Playwright, such as `--grep \"4 files\"`)
  soak [--kills N] [--seed S]
                       train with the tiny encoder, kill the program N times (20 unless told) with SIGKILL at random moments, resume; the
                       adapters must be those of unbroken runs. With --page in the built page, killing the browser
  types                write the page's types from the crate's: web/src/contract.generated.ts
  setup                only set up what `test` and `serve` need

Build outputs and the tools that it installs go to the cargo target folder (CARGO_TARGET_DIR, else target/).";

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
            page::build(&paths)?;
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
        other => return Err(format!("unknown: {}\n\n{HELP}", other.join(" "))),
    }
    Ok(ExitCode::SUCCESS)
}

fn port(args: &[&str]) -> Result<u16> {
    match args {
        [] => Ok(8080),
        ["--port", number] => number.parse().map_err(|_| format!("--port {number} is not a port number")),
        other => Err(format!("serve does not know {}", other.join(" "))),
    }
}

/// Where things are.
struct Paths {
    /// The repository.
    root: PathBuf,
    /// The cargo target folder.
    target: PathBuf,
}

impl Paths {
    fn find() -> Result<Self> {
        // At run time, not `env!`: with one target folder for several checkouts, a cached binary would check the one it was built in.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("run it as `cargo xtask`")?;
        let root = Path::new(&manifest).parent().ok_or("xtask has no parent folder")?.to_path_buf();
        // The running binary lies in TARGET/PROFILE/, whatever decided on TARGET: an environment variable, a config file, the default.
        let exe = std::env::current_exe().map_err(|e| format!("own path: {e}"))?;
        let target = exe.ancestors().nth(2).ok_or("xtask does not run from a target folder")?.to_path_buf();
        Ok(Self { root, target })
    }

    /// `web/`.
    fn web(&self) -> PathBuf {
        self.root.join("web")
    }

    /// Executables that xtask installed itself: not into the user's own folders, where another project may need another version.
    fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }
}
