//! The parts of `src/train` without tensors.
pub mod checkpoint;
pub mod result;
