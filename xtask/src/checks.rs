//! `cargo xtask test`: the stages, cheapest first, and what came of them.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::counts::{Counts, Runner};
use crate::process::{End, cargo, command, npm, run, run_and_read};
use crate::setup::{self, WASM};
use crate::system::{self, Program};
use crate::{Paths, Result, page};

struct Stage {
    name: &'static str,
    what: &'static str,
    programs: &'static [Program],
    prepare: &'static [fn(&Paths) -> Result<()>],
    run: fn(&Paths) -> Outcome,
}

type Outcome = Result<Counts, Failure>;

/// Why a stage failed, and which of its tests did run.
#[derive(Debug)]
struct Failure {
    counts: Counts,
    problem: String,
}

impl From<String> for Failure {
    fn from(problem: String) -> Self {
        Self { counts: Counts::default(), problem }
    }
}

impl From<&str> for Failure {
    fn from(problem: &str) -> Self {
        problem.to_owned().into()
    }
}

const STAGES: &[Stage] = &[
    Stage { name: "fmt", what: "formatting", programs: &[], prepare: &[|p| setup::component(p, "rustfmt")], run: fmt },
    Stage { name: "clippy", what: "lints, native", programs: &[], prepare: &[|p| setup::component(p, "clippy")], run: clippy },
    Stage { name: "doc", what: "documentation builds without a warning", programs: &[], prepare: &[], run: doc },
    Stage {
        name: "clippy-wasm",
        what: "lints, browser build",
        programs: &[],
        prepare: &[|p| setup::component(p, "clippy"), setup::wasm_target],
        run: clippy_wasm,
    },
    Stage {
        name: "test",
        what: "tests, native, with a GPU or lavapipe",
        programs: &[Program::Vulkan, Program::Pip],
        prepare: &[|p| setup::cached_encoder(p).map(drop)],
        run: test,
    },
    Stage {
        name: "wasm",
        what: "browser build and its size",
        programs: &[Program::Node],
        prepare: &[setup::wasm_target, setup::wasm_bindgen],
        run: wasm,
    },
    Stage {
        name: "page",
        what: "the page: types, unit tests, build",
        programs: &[Program::Node, Program::Pip],
        prepare: &[setup::page_packages, setup::encoder],
        run: page_checks,
    },
    Stage {
        name: "browser",
        what: "the native tests again, in headless Chromium",
        programs: &[Program::Chromium, Program::ChromeDriver],
        prepare: &[setup::wasm_target, setup::wasm_bindgen, setup::wasm_pack],
        run: browser,
    },
    Stage {
        name: "e2e",
        what: "the built page in Chromium, with real files",
        programs: &[Program::Node, Program::Chromium],
        prepare: &[setup::page_packages],
        run: e2e,
    },
];

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
}

impl Options {
    /// From the command line.
    pub fn parse(args: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            let list = match arg {
                "--only" => &mut options.only,
                "--skip" => &mut options.skip,
                "--keep-going" => {
                    options.keep_going = true;
                    continue;
                }
                other => return Err(format!("test does not know {other}")),
            };
            let stage = args.next().ok_or_else(|| format!("{arg} wants a stage: {}", names().join(", ")))?;
            if !names().contains(stage) {
                return Err(format!("there is no stage {stage}: {}", names().join(", ")));
            }
            list.push((*stage).to_owned());
        }
        Ok(options)
    }

    fn wants(&self, stage: &str) -> bool {
        (self.only.is_empty() || self.only.iter().any(|s| s == stage)) && !self.skip.iter().any(|s| s == stage)
    }
}

/// Only the preparations of every stage, and those of the page.
pub fn set_up(paths: &Paths) -> Result<()> {
    provide_programs(STAGES.iter())?;
    for stage in STAGES {
        prepare(paths, stage)?;
    }
    Ok(())
}

/// Runs the stages; ends with a table and the sum of all tests.
pub fn run_stages(paths: &Paths, options: &Options) -> Result<std::process::ExitCode> {
    let chosen: Vec<&Stage> = STAGES.iter().filter(|stage| options.wants(stage.name)).collect();
    if chosen.is_empty() {
        return Err("no stage is left to run".into());
    }
    // First of all, since it may need the person at the terminal.
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

/// Prints the table and, alone on the last line, the sum. A stage that failed outside its tests counts as one failure.
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

/// Runs a test runner. It fails if the runner says so, if a test failed, or if no test ran.
fn tests(runner: Runner, command: &mut Command) -> Result<(Counts, String), Failure> {
    judge(runner, run_and_read(command, None)?)
}

fn judge(runner: Runner, (end, output): (End, String)) -> Result<(Counts, String), Failure> {
    let counts = runner.count(&output);
    if end != End::Succeeded || counts.failed > 0 {
        return Err(Failure { counts, problem: format!("{} passed, {} failed", counts.passed, counts.failed) });
    }
    if counts.passed == 0 {
        return Err("no test ran".into());
    }
    Ok((counts, output))
}

fn plain(command: &mut Command) -> Outcome {
    run(command)?;
    Ok(Counts::default())
}

fn fmt(paths: &Paths) -> Outcome {
    plain(&mut cargo(paths, &["fmt", "--all", "--check"]))
}

// The release profile throughout, so that burn is checked once and compiled once.
fn clippy(paths: &Paths) -> Outcome {
    plain(&mut cargo(paths, &["clippy", "--workspace", "--all-targets", "--release", "--", "-D", "warnings"]))
}

fn clippy_wasm(paths: &Paths) -> Outcome {
    plain(&mut cargo(
        paths,
        &["clippy", "--lib", "--test", "suite", "--target", WASM, "--profile", "web", "--", "-D", "warnings"],
    ))
}

fn doc(paths: &Paths) -> Outcome {
    plain(cargo(paths, &["doc", "--no-deps", "--lib", "--release"]).env("RUSTDOCFLAGS", "-D warnings"))
}

fn test(paths: &Paths) -> Outcome {
    let mut command = cargo(paths, &["test", "--workspace", "--release", "--no-fail-fast"]);
    // Nothing is skipped here for want of a device or of the real encoder.
    let (counts, output) = tests(Runner::Libtest, command.env("REQUIRE_GPU", "1").env("REQUIRE_MODEL", "1"))?;
    let binaries = Runner::binaries(&output);
    for wanted in ["tests/suite/main.rs", "tests/native/main.rs"] {
        if !binaries.iter().any(|(name, counts)| name == wanted && counts.passed > 0) {
            return Err(Failure { counts, problem: format!("no test of {wanted} ran") });
        }
    }
    Ok(counts)
}

fn wasm(paths: &Paths) -> Outcome {
    page::wasm(paths)?;
    page::size(paths)?;
    Ok(Counts::default())
}

fn page_checks(paths: &Paths) -> Outcome {
    run(&mut npm(paths, &["run", "check"]))?;
    let (counts, _) = tests(Runner::Vitest, &mut npm(paths, &["test"]))?;
    page::bundle(paths).map_err(|problem| Failure { counts, problem })?;
    Ok(counts)
}

/// The page's own profile, so that burn is compiled for wasm once. All tools are given: wasm-pack has nothing to download.
fn browser(paths: &Paths) -> Outcome {
    let driver = system::chromedriver().ok_or("no chromedriver")?;
    let mut wasm_pack = command(paths, "wasm-pack");
    wasm_pack.args(["test", "--headless", "--chrome", "--mode", "no-install", "--chromedriver"]).arg(driver);
    wasm_pack.args(["--", "--profile", "web", "--test", "suite"]);
    // Seconds for the whole suite: a software GPU takes its time.
    wasm_pack.env("REQUIRE_GPU", "1").env("WASM_BINDGEN_TEST_TIMEOUT", "2400").env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "30");
    let mut ended = run_and_read(&mut wasm_pack, Some(SILENCE))?;
    if ended.0 == End::Stalled {
        // A software GPU in a browser has been seen to stand still, in a test that passes on every other run.
        println!("  no test ended within {} min: the browser stands still; once more, with a new one", SILENCE.as_secs() / 60);
        ended = run_and_read(&mut wasm_pack, Some(SILENCE))?;
    }
    Ok(judge(Runner::Libtest, ended)?.0)
}

/// The slowest test takes less than two minutes; compiling, before the first one, writes a line a crate.
const SILENCE: Duration = Duration::from_secs(10 * 60);

fn e2e(paths: &Paths) -> Outcome {
    let browser = system::chromium().ok_or("no Chromium")?;
    // Seconds where nothing changed; without, `--only e2e` would test the page of an earlier day.
    page::wasm(paths)?;
    page::bundle(paths)?;
    // Both, whatever comes of the first.
    let mut sum = Counts::default();
    let mut problems = Vec::new();
    for part in ["e2e:together", "e2e:alone"] {
        match tests(Runner::Playwright, npm(paths, &["run", part]).env("CHROMIUM", &browser)) {
            Ok((counts, _)) => sum += counts,
            Err(failure) => {
                sum += failure.counts;
                problems.push(format!("{part}: {}", failure.problem));
            }
        }
    }
    if problems.is_empty() { Ok(sum) } else { Err(Failure { counts: sum, problem: problems.join("; ") }) }
}
