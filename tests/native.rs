//! What needs files, processes or naga: `cargo test --test native`.
#![allow(missing_docs, reason = "tests say what they show in their names")]
#![allow(clippy::print_stdout, clippy::unwrap_used, unreachable_pub, reason = "tests print what they skip, and panic")]
#![cfg(not(target_family = "wasm"))]

#[path = "native/architecture.rs"]
mod architecture;
#[path = "native/cli.rs"]
mod cli;
#[path = "suite/common.rs"]
mod common;
#[path = "native/compare.rs"]
mod compare;
#[path = "native/data_files.rs"]
mod data_files;
#[path = "suite/device.rs"]
mod device;
#[path = "native/minilm.rs"]
mod minilm;
#[path = "suite/reference.rs"]
mod reference;
#[path = "native/shaders.rs"]
mod shaders;
