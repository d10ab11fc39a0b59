//! `cargo xtask bench`: measurements that need more than cargo.

use crate::process::{command, npm, run};
use crate::setup;
use crate::system::{self, Program};
use crate::{Paths, Result, page};

/// Folder of the browser bench.
const BROWSER: &str = "benches/peers/browser";

/// The same training step in softprompt, TensorFlow.js and jax-js, in one page of a headless Chromium. `options` go to the
/// runner, `benches/peers/browser/run.js`.
pub fn browser(paths: &Paths, options: &[&str]) -> Result<()> {
    println!("Setting up");
    system::provide(&[Program::Node, Program::Chromium, Program::Pip])?;
    let folder = paths.root.join(BROWSER);
    setup::packages(paths, &folder)?;
    let mut runner = command(paths, "node");
    runner.arg(folder.join("run.js")).args(options);
    if options.contains(&"--help") {
        return run(&mut runner);
    }
    setup::wasm_target(paths)?;
    setup::wasm_bindgen(paths)?;
    println!("Building the crate for the browser");
    page::wasm(paths)?;
    if !options.contains(&"--model") {
        println!("Downloading the encoder if necessary");
        setup::encoder(paths)?;
    }
    println!("Measuring");
    let chromium = system::chromium().ok_or("no Chromium")?;
    run(runner.env("CHROMIUM", chromium))
}

/// Response times of the built page, and how long its main thread is blocked: the scenarios of its tests, measured, then its
/// start. Nothing is asserted. `options` go to Playwright (`--grep TEXT`); with options, the start is not measured.
pub fn page(paths: &Paths, options: &[&str]) -> Result<()> {
    system::provide(&[Program::Chromium])?;
    page::build(paths)?;
    println!("Measuring");
    let chromium = system::chromium().ok_or("no Chromium")?;
    let scenarios = run(npm(paths, &["run", "bench", "--"]).args(options).env("CHROMIUM", &chromium));
    if !options.is_empty() {
        return scenarios;
    }
    println!("From opening the page to the first training step");
    scenarios.and(run(npm(paths, &["run", "startup"]).env("CHROMIUM", &chromium)))
}
