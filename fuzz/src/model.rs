//! The parts of `src/model` without tensors.
pub mod config;
pub mod half;
pub mod spec;
pub mod weights;
