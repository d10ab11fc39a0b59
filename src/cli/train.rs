//! `softprompt train`.

use std::path::Path;
use std::process::ExitCode;

use pollster::block_on;
use serde::Serialize;

use crate::cli::args::TrainArgs;
use crate::cli::fetch::DEFAULT_MODEL;
use crate::cli::files;
use crate::cli::lock::Lock;
use crate::cli::output::{class_table, clock, count, percent};
use crate::cli::report::{self, Notes};
use crate::cli::{Context, checkpoint, data, finished, interrupt, progress};
use crate::config::{DeviceChoice, Method, RunConfig};
use crate::data::dataset::{ColumnChoice, DataReport, Dataset};
use crate::data::table::Table;
use crate::error::Result;
use crate::eval::verdict;
use crate::train::event::Event;
use crate::train::job::Job;
use crate::train::run::Run;

/// Objects of `--json` besides the events of the run.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Notice<'a> {
    /// The description of the data file; the first line.
    Data {
        file: String,
        text_column: &'a str,
        label_column: &'a str,
        #[serde(flatten)]
        report: &'a DataReport,
    },
    /// The adapter has been written; the line before `done`.
    Saved { adapter: String },
}

/// Trains an adapter and writes it.
///
/// # Errors
/// Errors of the flags, the data, the encoder, the device or the disk. A stopped run is not an error; only its exit code differs.
pub(crate) fn run(context: &Context, args: &TrainArgs) -> Result<ExitCode> {
    let out = args.out();
    // What can be wrong without a look at the data is said before anything else is done.
    let asked = if args.resume { None } else { Some(args.run_config()?) };
    files::check_adapter_folder(&out)?;
    if let Some(path) = &args.report {
        report::check_beside(path, &out)?;
    }
    let _lock = Lock::take(&checkpoint::lock(&out), &out)?;
    let checkpoint = args.checkpoint()?;
    let finished = if checkpoint.is_none() { finished::find(args)? } else { None };
    let config = match (&checkpoint, &finished, asked) {
        (Some(checkpoint), ..) => checkpoint.config.clone(),
        (None, Some(adapter), _) => adapter.config.clone(),
        (None, None, Some(config)) => config,
        (None, None, None) => args.run_config()?,
    };
    tell_start(context, args, &out, checkpoint.is_some() || finished.is_some());
    for note in context.given.without_effect(&[args.run_config().unwrap_or_else(|_| config.clone())]) {
        context.warn(&note);
    }
    let dataset = dataset(context, args, &config)?;
    let model = context.models().load(args.model.model.as_deref().unwrap_or(DEFAULT_MODEL))?;
    for note in model.notes() {
        context.output.object(&Event::Warning { message: note.clone() })?;
    }
    if let Some(adapter) = finished {
        finished::report(&context.output, &out, &adapter, &dataset, &model)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut notes = args.report.as_deref().map(|path| Notes::new(path, &args.data, &model, &dataset));
    let resumed = checkpoint.as_ref().map(|checkpoint| checkpoint.counters.step);
    let mut run = match checkpoint {
        Some(checkpoint) => Job::from(match args.settings.device().filter(|&device| device != DeviceChoice::Auto) {
            Some(device) => block_on(Run::resume_on(model, dataset, checkpoint, device))?,
            None => block_on(Run::resume(model, dataset, checkpoint))?,
        }),
        None => block_on(Job::start(model, dataset, config.clone()))?,
    };
    if let Some(steps) = resumed {
        context.output.note(&format!("Resuming after {}", count(steps, "step", "steps")));
    }

    let mut held = None;
    let mut progress = progress::Training::new(!context.output.is_json());
    let mut stopped = false;
    let mut done = None;
    let outcome = loop {
        if interrupt::requested() && !stopped {
            stopped = true;
            progress.say("Stopping and saving the best parameters so far (press Ctrl-C again to quit immediately)");
            // Where it is now, and not only at the last evaluation: a run that is stopped has no state any more.
            if let Err(error) = checkpoint::write(&out, &run) {
                progress.say(&format!("note: the run cannot be resumed: {error}"));
            }
            run.stop();
        }
        match block_on(run.next()) {
            Ok(Some(event)) => {
                progress.show(&event);
                if let Event::Started { device, .. } = &event
                    && let Some(note) = idle_recompute(context, device)
                {
                    context.warn(note);
                }
                if let Some(notes) = &mut notes {
                    notes.take(&event);
                }
                if let Event::Step { .. } = event {
                    // Before the first step there is nothing to save, and Ctrl-C ends the program immediately.
                    held.get_or_insert_with(interrupt::hold);
                }
                if let Event::Eval { .. } = event
                    && let Err(error) = checkpoint::write(&out, &run)
                {
                    break Err(error);
                }
                match event {
                    Event::Done { .. } => done = Some(event),
                    event => {
                        if let Err(error) = context.output.object(&event) {
                            break Err(error);
                        }
                    }
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    progress.finish();
    // A run that failed has its best parameters, too, if it reached an evaluation.
    let adapter = match run.adapter() {
        Ok(adapter) => adapter,
        Err(error) => return Err(outcome.err().unwrap_or(error)),
    };
    files::write_adapter(&out, &adapter.files()?)?;
    context.output.object(&Notice::Saved { adapter: out.display().to_string() })?;
    if let Err(error) = outcome {
        context.output.note(&format!("The best parameters so far are saved in {}", out.display()));
        return Err(error);
    }
    if stopped {
        let data: Vec<String> = args.data.iter().map(|path| files::shell_word(path)).collect();
        let mut resume = format!("{} train {} --resume", files::program(), data.join(" "));
        // Without them, it would use another encoder or other held-out rows.
        for (flag, value) in [("--model", args.model.model.as_deref().map(Path::new)), ("--held-out", args.held_out.as_deref())] {
            if let Some(value) = value {
                resume += &format!(" {flag} {}", files::shell_word(value));
            }
        }
        context.output.note(&format!("To resume: {resume} --out {}", files::shell_word(&out)));
    } else {
        checkpoint::remove(&out);
    }
    if let Some(notes) = &notes {
        let path = notes.write(&run)?;
        context.output.note(&format!("The report is in {}", path.display()));
    }
    if let Some(event) = done {
        context.output.line(&summary(&event, &config, &out))?;
        context.output.object(&event)?;
    }
    Ok(if stopped { ExitCode::from(interrupt::EXIT_CODE) } else { ExitCode::SUCCESS })
}

/// Says what happens to what is already there.
fn tell_start(context: &Context, args: &TrainArgs, out: &Path, continues: bool) {
    let path = checkpoint::path(out);
    if args.resume && !continues {
        context.output.note(&format!("note: {} does not exist; the run starts from the beginning", path.display()));
    }
    if !args.resume && path.exists() {
        context.output.note(&format!(
            "note: {} is the checkpoint of an interrupted run, which this run replaces; --resume would continue it",
            path.display()
        ));
    }
    if !continues && files::holds_adapter(out) {
        context.output.note(&format!(
            "note: {} holds an adapter, which this run replaces when it ends; --out names another folder",
            out.display()
        ));
    }
}

/// A note if activation recomputation was asked for where there is none.
fn idle_recompute(context: &Context, device: &str) -> Option<&'static str> {
    let idle = context.given.has("--recompute") && device.starts_with("CPU");
    idle.then_some("--recompute has no effect here: it belongs to runs on a GPU, and this one is on the CPU")
}

fn dataset(context: &Context, args: &TrainArgs, config: &RunConfig) -> Result<Dataset> {
    let tables = data::read_all(&args.data, &config.data)?;
    let held_out = args.held_out.as_deref().map(|path| data::read_beside(path, &config.data)).transpose()?;
    let read: Vec<&Table> = tables.iter().chain(&held_out).collect();
    data::warn_of_idle_flags(context, &config.data, &read, held_out.is_some());
    let (table, about) = data::join(&args.data, tables)?;
    let name = data::name(&args.data);
    let columns = ColumnChoice::guess(&table, &config.data).map_err(|error| error.in_file(&name))?;
    let dataset = match &held_out {
        // Its errors say which of the two files they refer to.
        Some(held_out) => Dataset::with_held_out(&table, held_out, &config.data)?,
        None => Dataset::from_table(&table, &config.data, config.seed).map_err(|error| error.in_file(&name))?,
    };
    for line in about {
        context.output.note(&line);
    }
    context.output.note(&data::describe(&name, &table, columns, &dataset.report));
    context.output.object(&Notice::Data {
        file: args.data.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
        text_column: &table.columns[columns.text],
        label_column: &table.columns[columns.label],
        report: &dataset.report,
    })?;
    Ok(dataset)
}

/// The result for the terminal: the metrics with the two baselines, and what to do next.
fn summary(event: &Event, config: &RunConfig, out: &Path) -> String {
    let Event::Done {
        accuracy,
        macro_f1,
        probe_accuracy,
        majority_accuracy,
        steps,
        seconds,
        device,
        stopped_early,
        stopped_by_user,
        per_class,
        ..
    } = event
    else {
        return String::new();
    };
    let mut lines = vec![
        String::new(),
        format!("held-out accuracy  {:>6}   (macro-F1 {})", percent(*accuracy), percent(*macro_f1)),
        format!("linear probe       {:>6}   the same head without a prompt", percent(*probe_accuracy)),
        format!("majority class     {:>6}   always predicting the most frequent class", percent(*majority_accuracy)),
        String::new(),
        class_table(per_class),
        String::new(),
    ];
    let probe = (config.prompt.method != Method::Probe).then_some(*probe_accuracy);
    lines.extend(verdict(*accuracy, probe, *majority_accuracy));
    let end = match (stopped_early, stopped_by_user) {
        (true, true) => "; stopped by Ctrl-C",
        (true, false) => "; ended by early stopping",
        (false, _) => "",
    };
    let folder = files::shell_word(out);
    lines.push(format!("{} in {} on {device}{end}", count(*steps, "step", "steps"), clock(*seconds)));
    lines.push(format!("The adapter is in {folder}. To classify texts, one per line:"));
    lines.push(format!("  {} predict {folder}", files::program()));
    lines.join("\n")
}
