//! Stage 2: texts -> token ids. Plain data: no burn, no wgpu, no files.

pub mod count;
mod parts;
pub mod script;
pub mod settings;
pub mod tokenizer;
pub mod unseen;
pub mod vocabulary;
