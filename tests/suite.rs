//! Everything that runs natively and in the browser: `cargo test --test suite`, and the same functions under
//! `wasm-pack test --headless --chrome`, in a dedicated worker as on the page.
#![allow(missing_docs, reason = "tests say what they show in their names")]
#![allow(clippy::print_stdout, clippy::unwrap_used, unreachable_pub, reason = "tests print what they skip, and panic")]

#[cfg(target_family = "wasm")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[path = "suite/adapter.rs"]
mod adapter;
#[path = "suite/columns.rs"]
mod columns;
#[path = "suite/common.rs"]
mod common;
#[path = "suite/compare.rs"]
mod compare;
#[path = "suite/data.rs"]
mod data;
#[path = "suite/dataset.rs"]
mod dataset;
#[path = "suite/describe.rs"]
mod describe;
#[path = "suite/device.rs"]
mod device;
#[path = "suite/efficient.rs"]
mod efficient;
#[path = "suite/ensemble.rs"]
mod ensemble;
#[path = "suite/eval.rs"]
mod eval;
#[path = "suite/every_method.rs"]
mod every_method;
#[path = "suite/formats.rs"]
mod formats;
#[path = "suite/golden.rs"]
mod golden;
#[path = "suite/gradients.rs"]
mod gradients;
#[path = "suite/headers.rs"]
mod headers;
#[path = "suite/hostile_adapters.rs"]
mod hostile_adapters;
#[path = "suite/kernels.rs"]
mod kernels;
#[path = "suite/labelled.rs"]
mod labelled;
#[path = "suite/labels.rs"]
mod labels;
#[path = "suite/methods.rs"]
mod methods;
#[path = "suite/model_files.rs"]
mod model_files;
#[path = "suite/notations.rs"]
mod notations;
#[path = "suite/notes.rs"]
mod notes;
#[path = "suite/peft_adapter.rs"]
mod peft_adapter;
#[path = "suite/predict_files.rs"]
mod predict_files;
#[path = "suite/readings.rs"]
mod readings;
#[path = "suite/reference.rs"]
mod reference;
#[path = "suite/rounds.rs"]
mod rounds;
#[path = "suite/routes.rs"]
mod routes;
#[path = "suite/sheets.rs"]
mod sheets;
#[path = "suite/splits.rs"]
mod splits;
#[path = "suite/stages.rs"]
mod stages;
#[path = "suite/tables.rs"]
mod tables;
#[path = "suite/text_files.rs"]
mod text_files;
#[path = "suite/tiny.rs"]
mod tiny;
#[path = "suite/tokenizer_file.rs"]
mod tokenizer_file;
#[path = "suite/training.rs"]
mod training;
#[path = "suite/twins.rs"]
mod twins;
#[path = "suite/understanding.rs"]
mod understanding;
#[path = "suite/values.rs"]
mod values;
#[path = "suite/wgsl_encoder.rs"]
mod wgsl_encoder;
#[path = "suite/wgsl_routes.rs"]
mod wgsl_routes;
#[path = "suite/workbooks.rs"]
mod workbooks;
