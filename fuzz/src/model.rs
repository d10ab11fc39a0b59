//! The parts of `src/model` without tensors.
pub mod config;
pub mod files;
pub mod folder;
mod foreign;
pub mod half;
pub mod spec;
pub mod weights;
