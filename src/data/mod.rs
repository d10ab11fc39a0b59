//! Stage 1: bytes -> [`table::Table`] -> [`dataset::Dataset`] -> [`batch::PackedBatch`]. Plain data: no burn, no wgpu, no files.

pub mod batch;
pub mod cells;
pub mod dataset;
pub mod edit;
mod names;
pub mod table;
pub mod view;
