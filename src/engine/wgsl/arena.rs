//! `Arena`: the buffers of a batch, with every step recorded on them.
//!
//! Without tracking, all layers use the same set of buffers; `track.rs` adds what tracking needs. Layers below the entry of a
//! route are not replayed.

use super::batch_buffers::{BatchBuffers, Capacity, scratch_width};
use super::layer::SavedLayer;
use super::parts::EncoderParts;
use super::recorder::Step;
use super::track::Tracked;
use crate::engine::{Entry, Pooling, Route};
use crate::error::Result;
use crate::model::spec::EncoderSpec;

/// Buffers for batches up to a capacity, and the steps on them.
#[derive(Debug)]
pub(super) struct Arena {
    pub(super) buffers: BatchBuffers,
    /// The input of the layers: embeddings without and with an update, and hidden states with an inserted prompt.
    embed: [Step; 2],
    insert: Step,
    layers: Vec<Vec<Step>>,
    /// The same with a prefix.
    prefixed: Vec<Vec<Step>>,
    tracked: Option<Tracked>,
    pools: Vec<(Pooling, Step, Step)>,
}

impl Arena {
    /// Allocates buffers for batches up to `capacity`, and records the untracked steps on them.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] if a buffer is larger than the device can bind.
    pub(super) fn new(parts: &EncoderParts<'_>, table: &wgpu::Buffer, capacity: Capacity) -> Result<Self> {
        let buffers = BatchBuffers::new(parts, table, capacity)?;
        let (h, saved, make) = (&buffers.scratch.h, &buffers.saved, buffers.layers(parts));
        let embed = [false, true].map(|updates| buffers.embed(parts, updates, h));
        let insert = buffers.insert(parts, h);
        let weights = &parts.weights.layers;
        let layers = weights.iter().map(|layer| make.forward(layer, saved, None)).collect();
        let prefixed = |(number, layer)| make.forward(layer, saved, Some(buffers.prefix(parts, number, &saved.qkv)));
        let prefixed = if capacity.prefix > 0 { weights.iter().enumerate().map(prefixed).collect() } else { Vec::new() };
        Ok(Self { embed, insert, layers, prefixed, tracked: None, pools: Vec::new(), buffers })
    }

    /// Rebinds the embedding steps to a replaced word table. A backward pass that reads it is recorded again.
    pub(super) fn set_table(&mut self, parts: &EncoderParts<'_>, table: &wgpu::Buffer) {
        self.buffers.table = table.clone();
        self.embed = [false, true].map(|updates| self.buffers.embed(parts, updates, self.h()));
        self.tracked = self.tracked.take().filter(|tracked| !tracked.reads_table());
    }

    /// Steps for the input of the layers, and for each layer on the route, lowest first; with `save_activations`, on the buffers
    /// of a tracked pass.
    pub(super) fn forward(&self, route: &Route, save_activations: bool) -> impl Iterator<Item = &[Step]> {
        let layers = match &self.tracked {
            Some(tracked) if save_activations => &tracked.layers[..],
            _ if route.prefix => &self.prefixed[..],
            _ => &self.layers[route.lowest_layer()..],
        };
        let first = match route.entry {
            Entry::Words => &self.embed[usize::from(route.update > 0)],
            Entry::After(_) => &self.insert,
        };
        std::iter::once(std::slice::from_ref(first)).chain(layers.iter().map(Vec::as_slice))
    }

    /// `[T, D]`: the input of the layers, then the output of each layer.
    pub(super) fn h(&self) -> &wgpu::Buffer {
        &self.buffers.scratch.h
    }

    /// The steps of pooling and of its gradient.
    pub(super) fn pool(&mut self, parts: &EncoderParts<'_>, pooling: Pooling) -> (Step, Step) {
        if let Some((_, pool, grad)) = self.pools.iter().find(|(known, ..)| *known == pooling) {
            return (pool.clone(), grad.clone());
        }
        let (pool, grad) = self.buffers.pool(parts, pooling);
        self.pools.push((pooling, pool.clone(), grad.clone()));
        (pool, grad)
    }

    /// Size of all activations of a tracked pass on a route in bytes, at this capacity: those of its layers, and the scratch
    /// buffers with the hidden states before an inserted prompt.
    pub(super) fn activation_bytes(&self, spec: &EncoderSpec, route: &Route, recompute: bool) -> u64 {
        let (all, again) = SavedLayer::widths(spec);
        let layers = spec.layers.saturating_sub(route.lowest_layer());
        let saved = if recompute { layers * (all - again) + again } else { layers * all };
        let states = if route.entry == Entry::Words { 0 } else { spec.hidden };
        u64::from(self.buffers.capacity.rows) * (saved + scratch_width(spec) + states) as u64 * size_of::<f32>() as u64
    }

    /// Allocates buffers for tracked passes on a route, for the first one.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn track(&mut self, parts: &EncoderParts<'_>, route: &Route, recompute: bool) -> Result<()> {
        if !self.tracked.as_ref().is_some_and(|tracked| tracked.serves(route, recompute)) {
            // The old buffers are dropped first, because both may not fit.
            self.tracked = None;
            self.tracked = Some(Tracked::new(parts, &self.buffers, route, recompute)?);
        }
        Ok(())
    }

    /// Steps from the gradient of the last layer's output to the gradient of the trained input; empty before [`Self::track`].
    pub(super) fn backward(&self) -> &[Step] {
        self.tracked.as_ref().map_or(&[], |tracked| &tracked.backward)
    }
}
