//! The stages of `cargo xtask test`, cheapest first: what each needs, what it runs, and which files it is about.

use std::process::Command;
use std::time::Duration;

use crate::counts::{Counts, Runner};
use crate::process::{End, cargo, command, npm, run, run_and_read};
use crate::setup::{self, WASM};
use crate::system::{self, Program};
use crate::{Paths, Result, page};

/// One stage.
pub struct Stage {
    pub name: &'static str,
    pub what: &'static str,
    pub programs: &'static [Program],
    pub prepare: &'static [fn(&Paths) -> Result<()>],
    /// Files whose change it can notice, as [`crate::changed::touch`] reads them.
    pub touched_by: &'static [&'static str],
    pub run: fn(&Paths) -> Outcome,
}

/// What came of a stage.
pub type Outcome = Result<Counts, Failure>;

/// Why a stage failed, and which of its tests did run.
#[derive(Debug)]
pub struct Failure {
    pub counts: Counts,
    pub problem: String,
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

/// All stages, in order.
pub const STAGES: &[Stage] = &[
    Stage {
        name: "fmt",
        what: "formatting",
        touched_by: &["*.rs", "rustfmt.toml"],
        programs: &[],
        prepare: &[|p| setup::component(p, "rustfmt")],
        run: fmt,
    },
    Stage {
        name: "clippy",
        what: "lints, native",
        touched_by: &["*.rs", "*Cargo.toml", "Cargo.lock", "clippy.toml"],
        programs: &[],
        prepare: &[|p| setup::component(p, "clippy")],
        run: clippy,
    },
    Stage {
        name: "doc",
        what: "documentation builds without warnings",
        touched_by: &["src/", "Cargo.toml", "Cargo.lock"],
        programs: &[],
        prepare: &[],
        run: doc,
    },
    Stage {
        name: "clippy-wasm",
        what: "lints, browser build",
        touched_by: &["src/", "!src/cli/", "!src/main.rs", "tests/suite/", "Cargo.toml", "Cargo.lock", "clippy.toml"],
        programs: &[],
        prepare: &[|p| setup::component(p, "clippy"), setup::wasm_target],
        run: clippy_wasm,
    },
    Stage {
        name: "test",
        what: "tests, native, with a GPU or lavapipe",
        touched_by: &["*.rs", "shaders/", "tests/", "*Cargo.toml", "Cargo.lock", "web/src/contract.generated.ts"],
        programs: &[Program::Vulkan, Program::Pip],
        prepare: &[|p| setup::cached_encoder(p).map(drop)],
        run: test,
    },
    Stage {
        name: "wasm",
        what: "browser build and its size",
        // Also before every stage that needs the page.
        touched_by: &["src/", "!src/cli/", "!src/main.rs", "shaders/", "Cargo.toml", "Cargo.lock"],
        programs: &[Program::Node],
        prepare: &[setup::wasm_target, setup::wasm_bindgen],
        run: wasm,
    },
    Stage {
        name: "page",
        what: "the page: types, unit tests, build",
        touched_by: &["web/", "!web/tests/page/", "src/web", "src/config"],
        programs: &[Program::Node, Program::Pip],
        prepare: &[setup::page_packages, setup::encoder],
        run: page_checks,
    },
    Stage {
        name: "browser",
        what: "tests of what can differ in a browser, in headless Chromium",
        touched_by: &[
            "shaders/",
            "src/engine/",
            "src/model/",
            "src/text/",
            "src/web",
            "tests/suite/",
            "Cargo.toml",
            "Cargo.lock",
        ],
        programs: &[Program::Chromium, Program::ChromeDriver],
        prepare: &[setup::wasm_target, setup::wasm_bindgen, setup::wasm_pack],
        run: browser,
    },
    Stage {
        name: "e2e",
        what: "the built page in Chromium, with real files",
        touched_by: &["web/", "!web/tests/unit/", "src/web"],
        programs: &[Program::Node, Program::Chromium],
        prepare: &[setup::page_packages],
        run: e2e,
    },
];

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
    Ok(tests(Runner::Playwright, npm(paths, &["run", "e2e"]).env("CHROMIUM", &browser))?.0)
}
