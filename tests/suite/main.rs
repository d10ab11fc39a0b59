//! The library's tests: `cargo test --test suite`. Those of what can differ in a browser run there too, under
//! `wasm-pack test --headless --chrome`, in a dedicated worker as on the page.
// To know that a predictor crosses threads, the compiler looks into every type of wgpu.
#![recursion_limit = "256"]
#![allow(missing_docs, reason = "tests say what they show in their names")]
#![allow(clippy::print_stdout, clippy::unwrap_used, unreachable_pub, reason = "tests print what they skip, and panic")]

#[cfg(target_family = "wasm")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

// What can differ in a browser: WebGPU, the CPU path with other vectors and no threads, other features of the dependencies
// (tokenizers, zip), addresses of 32 bits, waiting without blocking.
mod adapter;
mod common;
mod device;
mod efficient;
mod encoder_folders;
mod ensemble;
mod every_method;
mod formats;
mod golden;
mod hostile_adapters;
mod hostile_checkpoints;
mod kernels;
mod labelled;
mod limits;
mod methods;
mod model_files;
mod peft_adapter;
mod reference;
mod routes;
mod tiny;
mod tokenizer_file;
mod training;
mod twins;
mod understanding;
mod unknown_words;
mod wgsl_encoder;
mod wgsl_routes;
mod workbooks;

// What is the same plain Rust everywhere, and threads, of which a page has one.
#[cfg(not(target_family = "wasm"))]
mod columns;
#[cfg(not(target_family = "wasm"))]
mod compare;
#[cfg(not(target_family = "wasm"))]
mod data;
#[cfg(not(target_family = "wasm"))]
mod dataset;
#[cfg(not(target_family = "wasm"))]
mod describe;
#[cfg(not(target_family = "wasm"))]
mod encodings;
#[cfg(not(target_family = "wasm"))]
mod eval;
#[cfg(not(target_family = "wasm"))]
mod gradients;
#[cfg(not(target_family = "wasm"))]
mod headers;
#[cfg(not(target_family = "wasm"))]
mod labels;
#[cfg(not(target_family = "wasm"))]
mod layouts;
#[cfg(not(target_family = "wasm"))]
mod notations;
#[cfg(not(target_family = "wasm"))]
mod notes;
#[cfg(not(target_family = "wasm"))]
mod predict_files;
#[cfg(not(target_family = "wasm"))]
mod programs;
#[cfg(not(target_family = "wasm"))]
mod readings;
#[cfg(not(target_family = "wasm"))]
mod rounds;
#[cfg(not(target_family = "wasm"))]
mod sheets;
#[cfg(not(target_family = "wasm"))]
mod splits;
#[cfg(not(target_family = "wasm"))]
mod stages;
#[cfg(not(target_family = "wasm"))]
mod tables;
#[cfg(not(target_family = "wasm"))]
mod text_files;
#[cfg(not(target_family = "wasm"))]
mod threads;
#[cfg(not(target_family = "wasm"))]
mod values;
