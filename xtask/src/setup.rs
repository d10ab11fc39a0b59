//! What the project needs besides system packages: the wasm target, wasm-bindgen, wasm-pack, the page's npm packages, the default
//! encoder. Each step checks first and does nothing if everything is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{answer, cargo, command, npm, run, shown};
use crate::{Paths, Result};

/// The target of the browser build.
pub const WASM: &str = "wasm32-unknown-unknown";

/// Runs the browser tests.
const WASM_PACK: &str = "0.15.1";
/// The default encoder, as the page finds it under `web/public/models`.
const ENCODER: &str = "all-MiniLM-L6-v2";
const ENCODER_FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// A toolchain component that rustup installs separately: `cargo fmt`, `cargo clippy`.
pub fn component(paths: &Paths, name: &str) -> Result<()> {
    let cargo_name = name.trim_start_matches("rust");
    if answer(&mut cargo(paths, &[cargo_name, "--version"])).is_some() {
        return Ok(());
    }
    run(command(paths, "rustup").args(["component", "add", name]))
}

/// The standard library of [`WASM`].
pub fn wasm_target(paths: &Paths) -> Result<()> {
    let sysroot = answer(command(paths, "rustc").args(["--print", "sysroot"])).ok_or("rustc cannot be run")?;
    if Path::new(&sysroot).join("lib/rustlib").join(WASM).join("lib").is_dir() {
        return Ok(());
    }
    run(command(paths, "rustup").args(["target", "add", WASM]))
}

/// `wasm-bindgen` and `wasm-bindgen-test-runner`, of exactly the library's version, because they read the output of its macros.
pub fn wasm_bindgen(paths: &Paths) -> Result<()> {
    let lock = paths.root.join("Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(|e| format!("{}: {e}", lock.display()))?;
    let version = locked_version(&lock, "wasm-bindgen").ok_or("Cargo.lock has no wasm-bindgen")?;
    cargo_tool(paths, "wasm-bindgen-cli", "wasm-bindgen", version)
}

/// `wasm-pack`.
pub fn wasm_pack(paths: &Paths) -> Result<()> {
    cargo_tool(paths, "wasm-pack", "wasm-pack", WASM_PACK)
}

/// The npm packages of a folder, according to its lock file: of the page in `web/`, of the browser bench.
pub fn packages(paths: &Paths, folder: &Path) -> Result<()> {
    let installed = folder.join("node_modules/.package-lock.json");
    let newer_than = |name: &str| Some(modified(&installed)? >= modified(&folder.join(name))?);
    if newer_than("package-lock.json") == Some(true) && newer_than("package.json") == Some(true) {
        return Ok(());
    }
    // Browsers come from the system; no package downloads its own.
    let mut install = npm(paths, &["ci", "--no-audit", "--no-fund"]);
    run(install.current_dir(folder).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"))
}

/// The page's npm packages.
pub fn page_packages(paths: &Paths) -> Result<()> {
    packages(paths, &paths.web())
}

/// The default encoder in the user's cache folder, checked and if necessary downloaded by the command line. Returns its folder.
pub fn cached_encoder(paths: &Paths) -> Result<PathBuf> {
    let mut fetch = cargo(paths, &["run", "--release", "--", "model", "fetch"]);
    println!("  $ {}", shown(&fetch));
    let output = fetch.stderr(Stdio::inherit()).output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err("the default encoder could not be downloaded".into());
    }
    let folder = text.lines().rev().map(PathBuf::from).find(|line| line.is_dir());
    folder.ok_or_else(|| format!("`model fetch` did not print a folder: {text}"))
}

/// The default encoder where the page expects it.
pub fn encoder(paths: &Paths) -> Result<()> {
    let folder = paths.web().join("public/models").join(ENCODER);
    if ENCODER_FILES.iter().all(|file| folder.join(file).is_file()) {
        return Ok(());
    }
    let cached = cached_encoder(paths)?;
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for file in ENCODER_FILES {
        // With another name until it is complete, so that a partial copy is not mistaken for the file.
        let (from, partial, to) = (cached.join(file), folder.join(format!("{file}.partial")), folder.join(file));
        fs::copy(&from, &partial).and_then(|_| fs::rename(&partial, &to)).map_err(|e| format!("{}: {e}", from.display()))?;
    }
    println!("  encoder in {}", folder.display());
    Ok(())
}

fn cargo_tool(paths: &Paths, package: &str, program: &str, version: &str) -> Result<()> {
    if is_version(paths, program, version) {
        return Ok(());
    }
    println!("  installing {package} {version} (once; takes some minutes)");
    let (root, build) = (paths.tools(), paths.tools().join("build"));
    let mut install = cargo(paths, &["install", package, "--version", version, "--force", "--root"]);
    // A separate build folder, because the project's is locked during a build.
    run(install.arg(&root).env("CARGO_TARGET_DIR", &build))?;
    fs::remove_dir_all(&build).map_err(|e| format!("{}: {e}", build.display()))
}

/// Whether `program --version` contains the word `version`. Only xtask's own copy counts, not one on the search path.
fn is_version(paths: &Paths, program: &str, version: &str) -> bool {
    let text = answer(Command::new(paths.tools().join("bin").join(program)).arg("--version"));
    text.is_some_and(|text| text.split_whitespace().any(|word| word == version))
}

/// The version of a package in a Cargo.lock.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use super::locked_version;

    #[test]
    fn version_of_exactly_the_named_package() {
        let lock = "[[package]]\nname = \"wasm-bindgen-test\"\nversion = \"0.3.80\"\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\nsource = \"x\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked_version(lock, "wasm-bindgen-cli"), None);
    }
}
