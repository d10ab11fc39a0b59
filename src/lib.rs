//! Softprompt trains text classifiers by prompt tuning: the encoder, a small language model, stays frozen, and only a soft prompt
//! and a linear head are trained. It runs on the user's own GPU or CPU, natively and in the browser.
//!
//! ```text
//! bytes -> data::table -> data::dataset -> text::tokenizer -> data::batch (packed, no padding)
//!       -> prompt -> encoder + engine (forward, input gradient) -> train::run (events) -> adapter bytes
//! ```
//!
//! Shape letters: B examples, T packed rows, P prompt rows, D hidden, H heads, F feed-forward neurons, L layers, C classes,
//! V vocabulary. Gradients are called `d_NAME`.
//!
//! Imports point inward: ring 1 (plain data: error, config, rng, tensors, data, text, eval, program, model, adapter,
//! nearest, report, engine::cpu), ring 2 (tensors and devices: engine, encoder, head, prompt, train, predict), ring 3 (cli or web).
#![recursion_limit = "256"]

pub mod adapter;
#[cfg(not(target_family = "wasm"))]
pub mod cli;
pub mod config;
#[cfg(all(test, not(target_family = "wasm")))]
mod contract;
pub mod data;
pub mod encoder;
pub mod engine;
pub mod error;
pub mod eval;
pub mod head;
pub mod model;
pub mod nearest;
pub mod predict;
pub mod program;
pub mod prompt;
pub mod report;
pub mod rng;
pub mod tensors;
pub mod text;
pub mod train;
#[cfg(target_family = "wasm")]
pub mod web;
