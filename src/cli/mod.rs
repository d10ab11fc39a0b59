//! The command line: files, terminal and downloads. See `softprompt --help`.

mod args;
mod checkpoint;
mod compare;
mod data;
mod evaluate;
mod fetch;
mod files;
mod finished;
mod flags;
mod hub;
mod inspect;
mod interrupt;
mod lock;
mod models;
mod output;
mod plot;
mod predict;
mod progress;
mod report;
mod settings;
mod train;
mod unseen;

use std::process::ExitCode;

use clap::FromArgMatches;
use serde::Serialize;

use crate::error::{Error, Report, Result};
use args::{Cli, Command, ModelCommand, ModelId};
use flags::Given;
use models::Models;
use output::Output;

/// What every command receives.
struct Context {
    output: Output,
    offline: bool,
    given: Given,
}

impl Context {
    /// A note on the command itself, on stderr also with `--json`, like errors.
    fn warn(&self, note: &str) {
        output::to_stderr(&format!("note: {note}"));
    }

    fn models(&self) -> Models {
        Models { offline: self.offline, download: progress::Download::new(!self.output.is_json()) }
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Notice<'a> {
    /// The last line of a command that failed.
    Error {
        #[serde(flatten)]
        report: &'a Report,
    },
    /// The last line of `model fetch` and `model path`.
    Done { id: &'a str, path: String },
}

/// The folder of the default encoder, whether or not it has been downloaded.
#[must_use]
pub fn default_model_folder() -> Option<std::path::PathBuf> {
    fetch::folder(fetch::DEFAULT_MODEL).ok()
}

/// Runs the program with its arguments. `--help` documents the exit codes.
#[must_use]
pub fn main() -> ExitCode {
    let mut command = flags::command();
    let matches = match command.try_get_matches_from_mut(std::env::args_os()) {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error.format(&mut command)),
    };
    let given = Given::of(&command, &matches);
    interrupt::install();
    let offline = cli.offline || std::env::var("SOFTPROMPT_OFFLINE").is_ok_and(|value| !matches!(value.as_str(), "" | "0"));
    let context = Context { output: Output::new(cli.json), offline, given };
    let outcome = match &cli.command {
        Command::Train(args) => train::run(&context, args),
        Command::Compare(args) => compare::run(&context, args),
        Command::Eval(args) => evaluate::run(&context, args).map(|()| ExitCode::SUCCESS),
        Command::Predict(args) => predict::run(&context, args).map(|()| ExitCode::SUCCESS),
        Command::Inspect(args) => inspect::run(&context, args).map(|()| ExitCode::SUCCESS),
        Command::Model(ModelCommand::Fetch(ModelId { id })) => fetch_model(&context, id).map(|()| ExitCode::SUCCESS),
        Command::Model(ModelCommand::Path(ModelId { id })) => model_path(&context, id).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| report(&context.output, &context.given.named(error)))
}

/// `--help` and `--version` go to stdout; usage errors go to stderr and, with `--json`, also to stdout.
fn usage(error: &clap::Error) -> ExitCode {
    if std::env::args_os().any(|arg| arg.to_string_lossy().chars().any(char::is_control)) {
        // A shell may have completed a file's name. Printed without colours, which are control characters themselves.
        output::to_stderr(&error.render().to_string());
    } else {
        // If this cannot be written, nothing else can be done.
        let _ = error.print();
    }
    if error.use_stderr() && std::env::args_os().any(|arg| arg == "--json") {
        let message = error.render().to_string().trim().to_owned();
        let report = Report { code: "usage", message, hint: "see --help".to_owned(), row: None, column: None };
        let _ = Output::new(true).object(&Notice::Error { report: &report });
    }
    // 0 for --help, 2 for usage errors.
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn report(output: &Output, error: &Error) -> ExitCode {
    let report = error.report();
    let hint = if report.hint.is_empty() { String::new() } else { format!("\nhint: {}", report.hint) };
    output::to_stderr(&format!("error: {}{hint}", report.message));
    let _ = output.object(&Notice::Error { report: &report });
    ExitCode::from(match error {
        Error::Cancelled => interrupt::EXIT_CODE,
        Error::Config { .. } => 2,
        _ => 1,
    })
}

fn fetch_model(context: &Context, id: &str) -> Result<()> {
    let path = context.models().fetch(id)?.display().to_string();
    context.output.line(&path)?;
    context.output.object(&Notice::Done { id, path })
}

fn model_path(context: &Context, id: &str) -> Result<()> {
    let folder = fetch::folder(id)?;
    if !fetch::is_complete(&folder) {
        return Err(files::io_error(
            &folder,
            format!("{id} is not downloaded yet"),
            format!("run `softprompt model fetch {id}`"),
        ));
    }
    let path = folder.display().to_string();
    context.output.line(&path)?;
    context.output.object(&Notice::Done { id, path })
}
