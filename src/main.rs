//! The program `softprompt`, see [`softprompt::cli`].

#[cfg(not(target_family = "wasm"))]
fn main() -> std::process::ExitCode {
    softprompt::cli::main()
}

/// In the browser the library is the program.
#[cfg(target_family = "wasm")]
fn main() {}
