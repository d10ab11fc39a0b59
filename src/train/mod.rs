//! Stage 5: training. A [`run::Run`] is pulled: every call to `next` does some work and returns one event. Not calling it pauses
//! the run; dropping it cancels the run.

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
