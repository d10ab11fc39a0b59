//! The page: the crate as wasm with its JavaScript, in `web/pkg`, then the page around it, in `web/dist`.

use std::fs;

use crate::process::{answer, cargo, command, npm, run};
use crate::setup::{self, WASM};
use crate::system::{self, Program};
use crate::{Paths, Result};

/// Largest wasm file, compressed as a web server would send it. (It was 3,000,000 before tables of many more kinds were read.)
const BROTLI_BUDGET: u64 = 3_050_000;

/// Everything, from nothing.
pub fn build(paths: &Paths) -> Result<()> {
    println!("Setting up");
    system::provide(&[Program::Node, Program::Pip])?;
    setup::wasm_target(paths)?;
    setup::wasm_bindgen(paths)?;
    setup::page_packages(paths)?;
    println!("Building the crate for the browser");
    wasm(paths)?;
    println!("Fetching the encoder, if it is not there");
    setup::encoder(paths)?;
    println!("Building the page");
    bundle(paths)
}

/// `web/dist`, and the npm package in `web/package/dist`, which is made of the same worker.
pub fn bundle(paths: &Paths) -> Result<()> {
    run(&mut npm(paths, &["run", "build"]))?;
    run(&mut npm(paths, &["run", "package"]))
}

/// `web/pkg`: built by cargo, bound by wasm-bindgen.
///
/// Not by wasm-opt after that: binaryen 132 took the file from 18.2 to 14.7 MB with -O2 and to 13.0 MB with -Oz, but what is sent (brotli)
/// from 2.40 to 2.52 and 2.50 MB, in two minutes of computing. Worth another look when these figures change.
pub fn wasm(paths: &Paths) -> Result<()> {
    run(&mut cargo(paths, &["build", "--lib", "--target", WASM, "--profile", "web"]))?;
    let built = paths.target.join(WASM).join("web/softprompt.wasm");
    let mut bindgen = command(paths, "wasm-bindgen");
    bindgen.args(["--target", "web", "--remove-name-section", "--remove-producers-section", "--out-dir"]);
    run(bindgen.arg(paths.web().join("pkg")).arg(built))
}

/// The page's types, from the crate's. A native test fails where they are out of date.
pub fn types(paths: &Paths) -> Result<()> {
    run(cargo(paths, &["test", "--release", "--lib", "contract"]).env("WRITE_TYPES", "1"))
}

/// The size of the wasm file, raw and compressed, against the budget.
pub fn size(paths: &Paths) -> Result<()> {
    let module = paths.web().join("pkg/softprompt_bg.wasm");
    let raw = fs::metadata(&module).map_err(|e| format!("{}: {e}", module.display()))?.len();
    let compress = "const z = require('zlib'), bytes = require('fs').readFileSync(process.argv[1]); \
                    const params = { [z.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length, [z.constants.BROTLI_PARAM_LGWIN]: 24 }; \
                    process.stdout.write(String(z.brotliCompressSync(bytes, { params }).length))";
    let brotli = answer(command(paths, "node").args(["-e", compress]).arg(&module)).and_then(|text| text.parse::<u64>().ok());
    let brotli = brotli.ok_or("node did not say the compressed size")?;
    println!("  wasm: {raw} bytes, {brotli} with brotli (budget {BROTLI_BUDGET})");
    if brotli <= BROTLI_BUDGET {
        Ok(())
    } else {
        Err(format!("the wasm file is over its budget: {brotli} > {BROTLI_BUDGET} bytes with brotli"))
    }
}
