//! The `softprompt` program, see [`softprompt::cli`].

#[cfg(not(target_family = "wasm"))]
fn main() -> std::process::ExitCode {
    softprompt::cli::main()
}

/// In the browser, the library is used without this program.
#[cfg(target_family = "wasm")]
fn main() {}
