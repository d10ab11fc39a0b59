//! The files of an encoder, and what they say as plain data: sizes and weights.

pub mod architecture;
pub mod config;
pub mod files;
pub mod folder;
mod foreign;
pub mod half;
pub mod partial;
pub mod spec;
pub mod weights;
