//! Stage 5: training. A [`run::Run`] is pulled: every call to `next` does a little work and tells one event. To pause, do not
//! call; to cancel, drop it.

pub mod auto;
pub mod checkpoint;
pub mod compare;
pub mod cost;
pub mod event;
pub mod examples;
pub mod features;
pub mod job;
pub mod order;
mod probe;
pub mod prune;
pub mod record;
pub mod run;
pub mod schedule;
pub mod step;
