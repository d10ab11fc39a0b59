//! Builds the page: the crate as wasm with its JavaScript in `web/pkg`, then the page in `web/dist`.

use std::fs;

use crate::process::{answer, cargo, command, npm, run};
use crate::setup::{self, WASM};
use crate::system::{self, Program};
use crate::{Paths, Result};

/// Maximum size of the wasm file, compressed with brotli. (It was 3,000,000 before more kinds of tables were supported.)
const BROTLI_BUDGET: u64 = 3_120_000;

/// Builds everything from scratch, with the npm package.
pub fn build(paths: &Paths) -> Result<()> {
    prepare(paths)?;
    bundle(paths)
}

/// Builds the page from scratch. It does not need the npm package.
pub fn build_page(paths: &Paths) -> Result<()> {
    prepare(paths)?;
    run(&mut npm(paths, &["run", "build"]))
}

/// What the page is built from.
fn prepare(paths: &Paths) -> Result<()> {
    println!("Setting up");
    system::provide(&[Program::Node, Program::Pip])?;
    setup::wasm_target(paths)?;
    setup::wasm_bindgen(paths)?;
    setup::page_packages(paths)?;
    println!("Building the crate for the browser");
    wasm(paths)?;
    println!("Downloading the encoder if necessary");
    setup::encoder(paths)?;
    println!("Building the page");
    Ok(())
}

/// `web/dist`, and the npm package in `web/package/dist`, which uses the same worker.
pub fn bundle(paths: &Paths) -> Result<()> {
    run(&mut npm(paths, &["run", "build"]))?;
    run(&mut npm(paths, &["run", "package"]))
}

/// `web/pkg`: compiled by cargo, with bindings from wasm-bindgen.
///
/// Without wasm-opt: binaryen 132 reduced the file from 18.2 to 14.7 MB with -O2 and to 13.0 MB with -Oz, but increased the
/// download (brotli) from 2.40 to 2.52 and 2.50 MB, in two minutes of computing. Worth checking again when these numbers change.
pub fn wasm(paths: &Paths) -> Result<()> {
    run(&mut cargo(paths, &["build", "--lib", "--target", WASM, "--profile", "web"]))?;
    let built = paths.target.join(WASM).join("web/softprompt.wasm");
    let mut bindgen = command(paths, "wasm-bindgen");
    bindgen.args(["--target", "web", "--remove-name-section", "--remove-producers-section", "--out-dir"]);
    run(bindgen.arg(paths.web().join("pkg")).arg(built))
}

/// The page's types, generated from the crate's. A native test fails if they are out of date.
pub fn types(paths: &Paths) -> Result<()> {
    run(cargo(paths, &["test", "--release", "--lib", "contract"]).env("WRITE_TYPES", "1"))
}

/// Compares the size of the wasm file, raw and compressed, with the budget.
pub fn size(paths: &Paths) -> Result<()> {
    let module = paths.web().join("pkg/softprompt_bg.wasm");
    let raw = fs::metadata(&module).map_err(|e| format!("{}: {e}", module.display()))?.len();
    let compress = "const z = require('zlib'), bytes = require('fs').readFileSync(process.argv[1]); \
                    const params = { [z.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length, [z.constants.BROTLI_PARAM_LGWIN]: 24 }; \
                    process.stdout.write(String(z.brotliCompressSync(bytes, { params }).length))";
    let brotli = answer(command(paths, "node").args(["-e", compress]).arg(&module)).and_then(|text| text.parse::<u64>().ok());
    let brotli = brotli.ok_or("node could not compute the compressed size")?;
    println!("  wasm: {raw} bytes, {brotli} with brotli (budget {BROTLI_BUDGET})");
    if brotli <= BROTLI_BUDGET {
        Ok(())
    } else {
        Err(format!("the wasm file is over its budget: {brotli} > {BROTLI_BUDGET} bytes with brotli"))
    }
}
