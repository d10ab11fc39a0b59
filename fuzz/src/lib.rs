//! The crate's plain data, compiled without burn, and what must hold of it for any bytes. The modules of `src/` are links.
#![recursion_limit = "256"]
#![allow(dead_code, unused_imports, reason = "half of a crate: what the other half uses is not used here")]

pub mod adapter;
pub mod config;
pub mod data;
pub mod error;
pub mod eval;
pub mod memory;
pub mod model;
pub mod program;
pub mod properties;
pub mod rng;
pub mod seeds;
pub mod tensors;
pub mod text;
pub mod train;
