//! Methods side by side on the same data.

pub mod event;
pub mod plan;
pub mod result;
