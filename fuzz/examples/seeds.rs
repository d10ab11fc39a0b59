//! Writes the seeds of every target: `cargo run --example seeds`.
use std::{fs, path::Path};

fn main() -> std::io::Result<()> {
    for (target, seeds) in softprompt_fuzz::seeds::all() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds {
            fs::write(folder.join(format!("seed-{name}")), bytes)?;
        }
    }
    Ok(())
}
