//! `cargo xtask soak`: runs that are killed and resumed, natively or in the page.

use std::path::PathBuf;

use crate::process::{cargo, command, run};
use crate::system::{self, Program};
use crate::{Paths, Result, page, setup};

mod trainings;

/// What the command line says.
struct Options {
    page: bool,
    kills: usize,
    seed: u64,
}

impl Options {
    fn parse(args: &[&str]) -> Result<Self> {
        let mut options = Self { page: false, kills: 20, seed: 1 };
        let mut rest = args.iter();
        while let Some(&flag) = rest.next() {
            if flag == "--page" {
                options.page = true;
                continue;
            }
            let value = rest.next().copied().unwrap_or_default();
            let wrong = || format!("{flag} {value} is not a number");
            match flag {
                "--kills" => options.kills = value.parse().map_err(|_| wrong())?,
                "--seed" => options.seed = value.parse().map_err(|_| wrong())?,
                other => return Err(format!("unknown option of soak: {other}")),
            }
        }
        Ok(options)
    }
}

pub fn soak(paths: &Paths, args: &[&str]) -> Result<()> {
    let options = Options::parse(args)?;
    if options.page { in_page(paths, &options) } else { native(paths, &options) }
}

fn native(paths: &Paths, options: &Options) -> Result<()> {
    run(&mut cargo(paths, &["build", "--release", "--bin", "softprompt"]))?;
    let program = paths.target.join("release").join(format!("softprompt{}", std::env::consts::EXE_SUFFIX));
    let folder = folder(paths)?;
    let encoder = paths.root.join("tests/golden/tiny");
    let summary = trainings::soak(&program, &encoder, &folder, options.kills, options.seed)
        .map_err(|problem| format!("{problem}\n  the files are in {}", folder.display()))?;
    println!("soak: {}", summary.line(options.seed));
    if summary.differences > 0 {
        return Err(format!("adapters differ from those of uninterrupted runs; they are in {}", folder.display()));
    }
    std::fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// A separate folder.
fn folder(paths: &Paths) -> Result<PathBuf> {
    let folder = paths.target.join(format!("soak-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// The built page, in a browser whose processes are killed: `web/tests/soak/page.mjs`.
fn in_page(paths: &Paths, options: &Options) -> Result<()> {
    page::build(paths)?;
    system::provide(&[Program::Node, Program::Chromium])?;
    setup::packages(paths, &paths.web())?;
    let chromium = system::chromium().ok_or("no Chromium")?;
    let mut script = command(paths, "node");
    script.current_dir(paths.web()).arg("tests/soak/page.mjs").env("CHROMIUM", chromium);
    run(script.args(["--kills", &options.kills.to_string(), "--seed", &options.seed.to_string()]))
}
