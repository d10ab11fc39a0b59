//! Everything that runs natively and in the browser: `cargo test --test suite`, and the same functions under
//! `wasm-pack test --headless --chrome`, in a dedicated worker as on the page.
// To know that a predictor crosses threads, the compiler looks into every type of wgpu.
#![recursion_limit = "256"]
#![allow(missing_docs, reason = "tests say what they show in their names")]
#![allow(clippy::print_stdout, clippy::unwrap_used, unreachable_pub, reason = "tests print what they skip, and panic")]

#[cfg(target_family = "wasm")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

mod adapter;
mod columns;
mod common;
mod compare;
mod data;
mod dataset;
mod describe;
mod device;
mod efficient;
mod encoder_folders;
mod ensemble;
mod eval;
mod every_method;
mod formats;
mod golden;
mod gradients;
mod hostile_adapters;
mod hostile_checkpoints;
mod kernels;
mod labelled;
mod labels;
mod limits;
mod methods;
mod model_files;
mod notes;
mod peft_adapter;
mod predict_files;
mod reference;
mod rounds;
mod routes;
mod splits;
mod stages;
mod tables;
mod text_files;
// A page has one thread.
#[cfg(not(target_family = "wasm"))]
mod threads;
mod tiny;
mod tokenizer_file;
mod training;
mod twins;
mod understanding;
mod unknown_words;
mod values;
mod wgsl_encoder;
mod wgsl_routes;
mod workbooks;
