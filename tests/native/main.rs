//! What needs files, processes or naga: `cargo test --test native`.
#![allow(missing_docs, reason = "tests say what they show in their names")]
#![allow(clippy::print_stdout, clippy::unwrap_used, unreachable_pub, reason = "tests print what they skip, and panic")]
#![cfg(not(target_family = "wasm"))]

mod architecture;
mod cli;
#[path = "../suite/common.rs"]
mod common;
mod compare;
mod data_files;
#[path = "../suite/device.rs"]
mod device;
mod minilm;
#[path = "../suite/reference.rs"]
mod reference;
mod shaders;
mod soak;
