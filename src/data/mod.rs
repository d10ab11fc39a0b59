//! Stage 1: bytes -> [`table::Table`] -> [`dataset::Dataset`] -> [`batch::PackedBatch`]. Plain data: no burn, no wgpu, no
//! files.

pub mod batch;
pub mod dataset;
pub mod edit;
pub mod table;
