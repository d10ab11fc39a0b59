//! `cargo xtask test`: selects the stages, runs them, and prints the results.

use std::time::{Duration, Instant};

use crate::counts::Counts;
use crate::stages::{Failure, Outcome, STAGES, Stage};
use crate::system::{self, Program};
use crate::{Paths, Result, changed};

/// Names of the stages, in order.
pub fn names() -> Vec<&'static str> {
    STAGES.iter().map(|stage| stage.name).collect()
}

/// What to run.
#[derive(Debug, Default)]
pub struct Options {
    only: Vec<String>,
    skip: Vec<String>,
    keep_going: bool,
    /// Only the stages that the changed files can affect.
    changed: bool,
    /// The commit to compare with.
    since: Option<String>,
}

impl Options {
    /// From the command line.
    pub fn parse(args: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            match arg {
                "--keep-going" => options.keep_going = true,
                "--changed" => options.changed = true,
                "--since" => {
                    options.changed = true;
                    options.since = Some((*args.next().ok_or("--since needs a commit")?).to_owned());
                }
                "--only" | "--skip" => {
                    let stage = args.next().ok_or_else(|| format!("{arg} needs a stage: {}", names().join(", ")))?;
                    if !names().contains(stage) {
                        return Err(format!("unknown stage {stage}; stages are {}", names().join(", ")));
                    }
                    let list = if arg == "--only" { &mut options.only } else { &mut options.skip };
                    list.push((*stage).to_owned());
                }
                other => return Err(format!("unknown option of test: {other}")),
            }
        }
        Ok(options)
    }

    fn wants(&self, stage: &str) -> bool {
        (self.only.is_empty() || self.only.iter().any(|s| s == stage)) && !self.skip.iter().any(|s| s == stage)
    }

    fn stages(&self, paths: &Paths) -> Result<Vec<&'static Stage>> {
        let wanted = STAGES.iter().filter(|stage| self.wants(stage.name));
        if !self.changed {
            return Ok(wanted.collect());
        }
        let files = changed::files(paths, self.since.as_deref())?;
        println!("{} changed files", files.len());
        Ok(wanted.filter(|stage| changed::touch(stage.touched_by, &files)).collect())
    }
}

/// Only the preparation of every stage, including those of the page.
pub fn set_up(paths: &Paths) -> Result<()> {
    provide_programs(STAGES.iter())?;
    for stage in STAGES {
        prepare(paths, stage)?;
    }
    Ok(())
}

/// Runs the stages; prints a table and the sum of all tests.
pub fn run_stages(paths: &Paths, options: &Options) -> Result<std::process::ExitCode> {
    let chosen = options.stages(paths)?;
    if chosen.is_empty() && options.changed {
        println!("no stage is affected by the changes");
        return Ok(std::process::ExitCode::SUCCESS);
    }
    if chosen.is_empty() {
        return Err("all stages are skipped".into());
    }
    // First, because it may need the user at the terminal.
    provide_programs(chosen.iter().copied())?;
    let start = Instant::now();
    let mut rows = Vec::new();
    for stage in &chosen {
        println!("\n== {}: {}", stage.name, stage.what);
        let start = Instant::now();
        let outcome = prepare(paths, stage).map_err(Failure::from).and_then(|()| (stage.run)(paths));
        let seconds = start.elapsed();
        match &outcome {
            Ok(_) => println!("== {}: ok, {}", stage.name, clock(seconds)),
            Err(failure) => println!("== {}: FAILED, {}: {}", stage.name, clock(seconds), failure.problem),
        }
        let failed = outcome.is_err();
        rows.push((stage.name, outcome, seconds));
        if failed && !options.keep_going {
            break;
        }
    }
    Ok(summary(&chosen, &rows, start.elapsed()))
}

fn provide_programs<'a>(stages: impl Iterator<Item = &'a Stage>) -> Result<()> {
    let mut programs: Vec<Program> = Vec::new();
    for program in stages.flat_map(|stage| stage.programs) {
        if !programs.contains(program) {
            programs.push(*program);
        }
    }
    system::provide(&programs)
}

fn prepare(paths: &Paths, stage: &Stage) -> Result<()> {
    stage.prepare.iter().try_for_each(|step| step(paths))
}

/// Prints the table and, as the last line, the sum. A stage that failed outside its tests counts as one failure.
fn summary(chosen: &[&Stage], rows: &[(&str, Outcome, Duration)], total: Duration) -> std::process::ExitCode {
    println!("\n{:<12} {:<8} {:>7} {:>8} {:>10}", "stage", "", "passed", "skipped", "time");
    let mut sum = Counts::default();
    for (name, outcome, seconds) in rows {
        let (verdict, counts) = match outcome {
            Ok(counts) => ("ok", *counts),
            Err(failure) => ("FAILED", Counts { failed: failure.counts.failed.max(1), ..failure.counts }),
        };
        sum += counts;
        println!("{name:<12} {verdict:<8} {:>7} {:>8} {:>10}", counts.passed, counts.skipped, clock(*seconds));
    }
    for stage in &chosen[rows.len()..] {
        println!("{:<12} not run", stage.name);
    }
    println!("{:<12} {:<8} {:>7} {:>8} {:>10}", "all", "", sum.passed, sum.skipped, clock(total));
    println!("\n{} passed, {} failed", sum.passed, sum.failed);
    if sum.failed == 0 { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 60.0 { format!("{seconds:.1} s") } else { format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60) }
}
