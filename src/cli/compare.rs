//! `softprompt compare`: a table in the terminal, and `compare.json`, which is written after every cell and from which an
//! interrupted comparison continues.

use std::path::Path;
use std::process::ExitCode;

use pollster::block_on;
use serde::{Deserialize, Serialize};

use crate::cli::args::CompareArgs;
use crate::cli::fetch::DEFAULT_MODEL;
use crate::cli::files::{self, Limit, Unfinished, io_error};
use crate::cli::lock::Lock;
use crate::cli::output::{clock, count, one_line, percent, table, thousands};
use crate::cli::plot::{self, Line};
use crate::cli::{Context, checkpoint, data, interrupt, progress};
use crate::config::{DataConfig, RunConfig};
use crate::data::table::Table;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::tensors::sha256_hex;
use crate::train::compare::event::CompareEvent;
use crate::train::compare::plan::Plan;
use crate::train::compare::result::{Cell, CellResult, Row, Spread};
use crate::train::compare::{Comparison, Tables};
use crate::train::event::Event;

/// File of the results.
const FILE: &str = "compare.json";
/// Files of the plots.
const PLOTS: [&str; 2] = ["compare.svg", "compare.png"];

/// `compare.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    /// Version of the program that wrote it.
    version: String,
    /// Settings that all variants share.
    config: RunConfig,
    methods: Vec<String>,
    seeds: Vec<u64>,
    budget: Option<String>,
    /// Data, held-out and test files.
    files: Vec<Input>,
    encoder: StoredEncoder,
    cells: Vec<CellResult>,
    failed: Vec<Failed>,
    rows: Vec<Row>,
}

/// A data file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Input {
    name: String,
    sha256: String,
    /// Its role.
    #[serde(default)]
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    /// Earlier versions did not write it.
    #[default]
    Unknown,
    Data,
    HeldOut,
    Test,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredEncoder {
    name: String,
    /// SHA-256 of the weights.
    sha256: String,
    /// See [`Encoder::files_sha256`].
    #[serde(default)]
    files_sha256: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Failed {
    #[serde(flatten)]
    cell: Cell,
    error: String,
}

impl Stored {
    /// Takes over the cells that are already done in the folder, if they belong to this comparison.
    fn resume(&mut self, out: &Path) -> Result<()> {
        let path = out.join(FILE);
        if !path.is_file() {
            return Ok(());
        }
        let hint = "use the same data, encoder and settings, or another folder with --out";
        let broken = |error: serde_json::Error| io_error(&path, format!("is not a comparison: {error}"), hint);
        let earlier: Self = serde_json::from_slice(&files::read(&path, Limit::JSON)?).map_err(broken)?;
        let settings = |stored: &Self| RunConfig { seed: 0, ..stored.config.clone() };
        let files = |stored: &Self| stored.files.iter().map(|file| (file.role, file.sha256.clone())).collect::<Vec<_>>();
        // Everything that a cell depends on, besides its variant and its seed.
        let differs = [
            ("program version", earlier.version != self.version),
            ("data", files(&earlier) != files(self)),
            ("encoder", earlier.encoder.files_sha256 != self.encoder.files_sha256),
            ("settings", settings(&earlier) != settings(self)),
            ("budget", earlier.budget != self.budget),
        ];
        if let Some((other, _)) = differs.iter().find(|(_, differs)| *differs) {
            let problem = format!("contains a comparison that differs in the {other}, so it cannot be continued");
            return Err(io_error(&path, problem, hint));
        }
        self.cells = earlier.cells;
        Ok(())
    }

    fn write(&self, out: &Path) -> Result<()> {
        let text =
            serde_json::to_string_pretty(self).map_err(|error| io_error(out, error.to_string(), "report this as a bug"))?;
        let folder = Unfinished::new(out)?;
        folder.write(FILE, text.as_bytes())?;
        folder.finish()
    }
}

/// Plots accuracy against training time, for the cells that are done.
fn write_plots(stored: &Stored, out: &Path) -> Result<()> {
    let lines: Vec<Line> = stored.rows.iter().map(|row| Line::of(&row.name, &stored.cells)).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let data = stored.files.first().map_or("", |file| &file.name);
    let title = format!("{data}, {}", count(stored.seeds.len(), "seed", "seeds"));
    let wrong = |problem: String| io_error(out, format!("the plot cannot be drawn: {problem}"), "compare.json has the results");
    let folder = Unfinished::new(out)?;
    folder.write(PLOTS[0], plot::svg(&title, &lines).map_err(wrong)?.as_bytes())?;
    folder.write(PLOTS[1], &plot::png(&title, &lines).map_err(wrong)?)?;
    folder.finish()
}

/// Runs the missing cells and writes the results.
///
/// # Errors
/// Errors of the flags, the data, the encoder or the disk. A method that fails is reported in the table.
pub(crate) fn run(context: &Context, args: &CompareArgs) -> Result<ExitCode> {
    let (plan, out) = (args.plan()?, args.out());
    files::check_folder(&out, "choose another folder with --out")?;
    let _lock = Lock::take(&checkpoint::lock(&out), &out)?;
    warn_of_idle_flags(context, args, &plan);
    let (tables, inputs) = tables(args, &plan.config.data)?;
    let read: Vec<&Table> = [&tables.data].into_iter().chain(&tables.held_out).collect();
    data::warn_of_idle_flags(context, &plan.config.data, &read, tables.held_out.is_some());
    let model = context.models().load(args.model.model.as_deref().unwrap_or(DEFAULT_MODEL))?;
    let mut stored = stored(args, &plan, inputs, &model);
    stored.resume(&out)?;
    stored.write(&out)?;
    let cells_of = |stored: &Stored| stored.cells.len();
    let before = cells_of(&stored);
    let mut comparison = Comparison::start(model, tables, plan, &stored.cells)?;
    if before > 0 {
        let are = if before == 1 { "is" } else { "are" };
        context.output.note(&format!("{} {are} already in {}", count(before, "result", "results"), out.join(FILE).display()));
    }

    let _held = interrupt::hold();
    let mut shown = Shown { bar: progress::Training::new(!context.output.is_json()), cells: Vec::new() };
    while let Some(event) = block_on(comparison.next()) {
        if interrupt::requested() {
            comparison.stop();
        }
        match &event {
            CompareEvent::CellDone { result, rows, .. } => {
                stored.rows.clone_from(rows);
                // Cells from an earlier start are already there.
                if !stored.cells.iter().any(|cell| cell.name == result.name && cell.seed == result.seed) {
                    stored.cells.push((**result).clone());
                    stored.write(&out)?;
                }
            }
            CompareEvent::CellFailed { cell, error } => {
                let failed = shown.cells.get(*cell).map(|cell| Failed { cell: cell.clone(), error: error.clone() });
                stored.failed.extend(failed);
                stored.write(&out)?;
            }
            _ => {}
        }
        shown.show(context, &event);
        context.output.object(&event)?;
    }
    shown.bar.finish();
    stored.rows = comparison.rows();
    stored.write(&out)?;
    write_plots(&stored, &out)?;
    context.output.line(&summary(&stored))?;
    context.output.line(&format!(
        "\nThe results are in {}, the plots {} and {} next to it",
        out.join(FILE).display(),
        PLOTS[0],
        PLOTS[1]
    ))?;
    if interrupt::requested() {
        context.output.note("Stopped. The same command runs the missing results.");
        return Ok(ExitCode::from(interrupt::EXIT_CODE));
    }
    Ok(if stored.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Warns of flags that a comparison does not use, and of those that none of its methods has.
fn warn_of_idle_flags(context: &Context, args: &CompareArgs, plan: &Plan) {
    let given = &context.given;
    let mut notes = given.misplaced(&["--method"], "--methods names the methods");
    notes.extend(
        given.misplaced(&["--prune"], "pruning belongs to single methods, such as xprompt or late+prompt.prune.tokens=0.2"),
    );
    if args.seeds.contains(',') {
        notes.extend(given.misplaced(&["--seed"], "--seeds lists the seeds"));
    }
    let configs: Vec<RunConfig> = plan.variants.iter().map(|variant| variant.config.clone()).collect();
    notes.extend(given.without_effect(&configs));
    for note in notes {
        context.warn(&note);
    }
}

fn tables(args: &CompareArgs, config: &DataConfig) -> Result<(Tables, Vec<Input>)> {
    let mut inputs = Vec::new();
    // Each file is read once: it may be a pipe.
    let mut hashed = |role: Role, path: &Path| -> Result<Vec<u8>> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = data::bytes(path)?;
        inputs.push(Input { name, sha256: sha256_hex(&bytes), role });
        Ok(bytes)
    };
    let data = data::in_file(&args.data, Table::read(&hashed(Role::Data, &args.data)?, config))?;
    let mut read = |role: Role, path: &Path| data::in_file(path, Table::read_beside(&hashed(role, path)?, config));
    let held_out = args.held_out.as_deref().map(|path| read(Role::HeldOut, path)).transpose()?;
    let tests: Result<Vec<_>> = args.test.iter().map(|path| Ok((path.display().to_string(), read(Role::Test, path)?))).collect();
    Ok((Tables { data, held_out, tests: tests? }, inputs))
}

fn stored(args: &CompareArgs, plan: &Plan, files: Vec<Input>, model: &Encoder) -> Stored {
    Stored {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config: plan.config.clone(),
        methods: plan.names(),
        seeds: plan.seeds.clone(),
        budget: args.budget.clone(),
        files,
        encoder: StoredEncoder {
            name: model.name().to_owned(),
            sha256: model.sha256().to_owned(),
            files_sha256: model.files_sha256().to_owned(),
        },
        cells: Vec::new(),
        failed: Vec::new(),
        rows: Vec::new(),
    }
}

/// Progress in the terminal.
struct Shown {
    bar: progress::Training,
    cells: Vec<Cell>,
}

impl Shown {
    fn show(&mut self, context: &Context, event: &CompareEvent) {
        let name =
            |cell: usize| self.cells.get(cell).map_or_else(String::new, |cell| format!("{}, seed {}", cell.name, cell.seed));
        match event {
            CompareEvent::Planned { cells } => {
                self.cells.clone_from(cells);
                self.bar.say(&planned(cells));
            }
            CompareEvent::CellStarted { cell, .. } => {
                self.bar = progress::Training::new(!context.output.is_json());
                self.bar.say(&format!("[{}/{}] {}", cell + 1, self.cells.len(), name(*cell)));
            }
            CompareEvent::Run { run: event @ (Event::Step { .. } | Event::Measuring { .. } | Event::Trying { .. }), .. } => {
                self.bar.show(event);
            }
            CompareEvent::Run { run: event @ (Event::Chosen { .. } | Event::Warning { .. }), .. } => self.bar.show(event),
            CompareEvent::CellDone { result, .. } => {
                self.bar.finish();
                self.bar.say(&format!("        held-out accuracy {}, {}", percent(result.accuracy), clock(result.seconds)));
            }
            CompareEvent::CellFailed { cell, error } => {
                self.bar.finish();
                self.bar.say(&format!("        {} failed: {error}", name(*cell)));
            }
            CompareEvent::Run { .. } | CompareEvent::Done { .. } => {}
        }
    }
}

/// How many runs there are, and why: `8 runs: 4 methods x 2 seeds (prompt, late, probe, majority)`.
fn planned(cells: &[Cell]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for cell in cells {
        if !names.contains(&cell.name.as_str()) {
            names.push(&cell.name);
        }
    }
    let (runs, methods) = (count(cells.len(), "run", "runs"), count(names.len(), "method", "methods"));
    let seeds = count(cells.len() / names.len().max(1), "seed", "seeds");
    let names: Vec<String> = names.into_iter().map(|name| one_line(name, 48)).collect();
    format!("{runs}: {methods} × {seeds} ({})", names.join(", "))
}

/// The table for the terminal.
fn summary(stored: &Stored) -> String {
    // Of a single seed, there is no deviation.
    let several = |seeds: usize| seeds > 1;
    let spread = |Spread { mean, deviation }: Spread, seeds: usize| match several(seeds) {
        true => format!("{} ± {:.1}", percent(mean), deviation * 100.0),
        false => percent(mean),
    };
    let mut heading = vec!["".to_owned(), "accuracy".into(), "macro-F1".into(), "difference".into()];
    let tests =
        stored.rows.first().map(|row| row.tests.iter().map(|test| test.name.clone()).collect::<Vec<_>>()).unwrap_or_default();
    heading.extend(tests.iter().map(|name| one_line(name, 24)));
    heading.extend(["parameters", "seconds", "TFLOP", "memory MB", "adapter kB", "steps", "seeds"].map(str::to_owned));
    let mut lines = vec![heading];
    for row in &stored.rows {
        let difference = row.difference.map_or_else(String::new, |difference| {
            let error = difference.error.map_or_else(String::new, |error| format!(" ± {:.1}", error * 100.0));
            format!("{:+.1}{error}", difference.mean * 100.0)
        });
        let mut line =
            vec![one_line(&row.name, 48), spread(row.accuracy, row.seeds), spread(row.macro_f1, row.seeds), difference];
        line.extend(row.tests.iter().map(|test| spread(test.accuracy, row.seeds)));
        let trained = row.steps > 0.0;
        let figures = [
            thousands(row.prompt_parameters + row.head_parameters),
            format!("{:.1}", row.training_seconds.mean),
            format!("{:.3}", row.flops / 1e12),
            format!("{:.1}", row.peak_bytes as f64 / 1e6),
            format!("{:.1}", row.adapter_bytes as f64 / 1e3),
            format!("{:.0}", row.steps),
        ];
        line.extend(figures.into_iter().map(|figure| if trained { figure } else { String::new() }));
        line.push(row.seeds.to_string());
        lines.push(line);
    }
    let over_seeds = stored.rows.iter().any(|row| several(row.seeds));
    let [measured, compared] = match over_seeds {
        true => ["mean and standard deviation over seeds", "paired by seed; mean and standard error"],
        false => ["on the held-out set, of a single seed: --seeds 3 also gives a standard deviation", "of a single seed"],
    };
    let mut text = format!("\n{}\n\n  accuracy, macro-F1: {measured}", table(&lines));
    text += &format!("\n  difference: to the first method, in percentage points of accuracy, {compared}");
    text += "\n  parameters: trainable parameters";
    text += "\n  seconds, TFLOP: training only; TFLOP of the encoder's matrix products; memory: weights, saved activations, hidden-state cache";
    for Failed { cell, error } in &stored.failed {
        text += &format!("\n  {}, seed {} failed: {error}", cell.name, cell.seed);
    }
    text
}
