//! Stage 2: texts -> token ids. Plain data: no burn, no wgpu, no files.

pub mod count;
pub mod tokenizer;
