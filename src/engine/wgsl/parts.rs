//! [`EncoderParts`]: the common inputs of an encoder's steps.

use super::device::Gpu;
use super::pipelines::Pipelines;
use super::weights::Weights;
use crate::model::spec::EncoderSpec;

/// The parts of an encoder that do not change from batch to batch.
#[derive(Clone, Copy)]
pub(super) struct EncoderParts<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) spec: &'a EncoderSpec,
    pub(super) pipelines: &'a Pipelines,
    pub(super) weights: &'a Weights,
}
