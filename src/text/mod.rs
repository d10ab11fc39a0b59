//! Stage 2: texts -> token ids. Plain data: no burn, no wgpu, no files.

pub mod count;
mod parts;
pub mod tokenizer;
