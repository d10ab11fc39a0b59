//! `softprompt train`.

use std::path::Path;
use std::process::ExitCode;

use pollster::block_on;
use serde::Serialize;

use crate::cli::args::TrainArgs;
use crate::cli::fetch::DEFAULT_MODEL;
use crate::cli::files;
use crate::cli::output::{class_table, clock, count, percent};
use crate::cli::report::Notes;
use crate::cli::{Context, checkpoint, data, interrupt, progress};
use crate::config::{DeviceChoice, Method, RunConfig};
use crate::data::dataset::{ColumnChoice, DataReport, Dataset};
use crate::error::Result;
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
    let checkpoint = args.checkpoint()?;
    if args.resume && checkpoint.is_none() {
        let path = checkpoint::path(&args.out());
        context.output.note(&format!("note: {} does not exist; the run starts from the beginning", path.display()));
    }
    if !args.resume && checkpoint::path(&args.out()).exists() {
        let path = checkpoint::path(&args.out());
        context.output.note(&format!(
            "note: {} is the checkpoint of an interrupted run, which this run replaces; --resume would continue it",
            path.display()
        ));
    }
    let config = match &checkpoint {
        Some(checkpoint) => checkpoint.config.clone(),
        None => args.run_config()?,
    };
    let out = args.out();
    files::check_adapter_folder(&out)?;
    let dataset = dataset(context, args, &config)?;
    let model = context.models().load(args.model.model.as_deref().unwrap_or(DEFAULT_MODEL))?;
    for note in model.notes() {
        context.output.object(&Event::Warning { message: note.clone() })?;
    }
    let mut notes = match &args.report {
        Some(path) => Some(Notes::new(path, &args.data, &model, &dataset)?),
        None => None,
    };
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
            run.stop();
            progress.say("Stopping and saving the best parameters so far (press Ctrl-C again to quit immediately)");
        }
        match block_on(run.next()) {
            Ok(Some(event)) => {
                progress.show(&event);
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

fn dataset(context: &Context, args: &TrainArgs, config: &RunConfig) -> Result<Dataset> {
    let (table, about) = data::read_all(&args.data, &config.data)?;
    let name = data::name(&args.data);
    let columns = ColumnChoice::guess(&table, &config.data).map_err(|error| error.in_file(&name))?;
    let dataset = match &args.held_out {
        // Its errors say which of the two files they refer to.
        Some(path) => Dataset::with_held_out(&table, &data::read_beside(path, &config.data)?, &config.data)?,
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
    let Event::Done { accuracy, macro_f1, probe_accuracy, majority_accuracy, steps, seconds, device, per_class, .. } = event
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
    if accuracy <= majority_accuracy {
        lines.push("This is no better than always predicting the most frequent class.".to_owned());
    } else if config.prompt.method != Method::Probe && accuracy <= probe_accuracy {
        lines.push("The prompt did not beat the linear probe. Try more --epochs, another --lr or more rows.".to_owned());
    }
    let folder = files::shell_word(out);
    lines.push(format!("{} in {} on {device}", count(*steps, "step", "steps"), clock(*seconds)));
    lines.push(format!("The adapter is in {folder}. To classify texts, one per line:"));
    lines.push(format!("  {} predict {folder}", files::program()));
    lines.join("\n")
}
