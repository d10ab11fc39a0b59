//! What tracked passes add to the arena: a set of buffers for each layer on the route, and the backward pass, which reuses the
//! forward pass's scratch buffers. With recomputation, the two largest buffers of each set are shared, and computed again in the
//! backward pass.

use super::batch_buffers::BatchBuffers;
use super::layer::{SavedLayer, norm_params};
use super::parts::EncoderParts;
use super::recorder::Step;
use super::{embed_grad, insert_grad, update_grad};
use crate::engine::{Entry, GradRows, Pooling, Route};
use crate::error::Result;

/// What only a tracked pass needs. The steps own the buffers that they bind.
#[derive(Debug)]
pub(super) struct Tracked {
    /// Steps of the layers on the route, lowest first.
    pub(super) layers: Vec<Vec<Step>>,
    /// From the gradient of the last layer's output to the gradient of the trained input.
    pub(super) backward: Vec<Step>,
    route: Route,
    recompute: bool,
}

impl Tracked {
    /// Allocates the buffers that the layers of a route save, and records the passes. The lowest layer uses those of `buffers`.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] if a buffer is larger than the device can bind.
    pub(super) fn new(parts: &EncoderParts<'_>, buffers: &BatchBuffers, route: &Route, recompute: bool) -> Result<Self> {
        let route = without_pooling(route);
        let lowest = route.lowest_layer();
        let weights = parts.weights.layers.get(lowest..).unwrap_or_default();
        let shared = recompute.then_some(&buffers.saved);
        let new = |_| SavedLayer::new(parts, buffers.capacity.rows, shared);
        let upper = weights.iter().skip(1).map(new).collect::<Result<Vec<_>>>()?;
        let pairs: Vec<_> = weights.iter().zip(std::iter::once(&buffers.saved).chain(&upper)).collect();
        let make = buffers.layers(parts);
        let prefix = |index: usize, qkv: &wgpu::Buffer| route.prefix.then(|| buffers.prefix(parts, lowest + index, qkv));
        let mut backward = Vec::new();
        for (index, &(layer, saved)) in pairs.iter().enumerate().rev() {
            // Those of the uppermost layer are still in the buffers.
            if recompute && index + 1 < pairs.len() {
                let input = match index.checked_sub(1) {
                    Some(below) => {
                        let (layer, saved) = pairs[below];
                        make.norm(&saved.x2, &layer.ffn_norm, &buffers.scratch.x, &saved.stats2)
                    }
                    None => buffers.first(parts, &route, &buffers.scratch.x),
                };
                backward.extend(make.recompute(input, layer, saved, prefix(index, &saved.qkv)));
            }
            let made = if index == 0 { route.lowest_grad() } else { GradRows::All };
            let prefix_grad = route.prefix.then(|| buffers.prefix_grad(parts, index, made));
            backward.extend(make.backward(layer, saved, made, prefix_grad));
        }
        backward.extend(input_grads(parts, buffers, &route));
        let forward = pairs.iter().enumerate();
        let layers = forward.map(|(index, (layer, saved))| make.forward(layer, saved, prefix(index, &saved.qkv))).collect();
        Ok(Self { layers, backward, route, recompute })
    }

    /// Whether it matches a pass on this route.
    pub(super) fn serves(&self, route: &Route, recompute: bool) -> bool {
        (self.route, self.recompute) == (without_pooling(route), recompute)
    }

    /// Whether the backward pass reads the word table.
    pub(super) fn reads_table(&self) -> bool {
        self.recompute || self.route.update > 0
    }
}

/// The route without its pooling, which has its own steps.
fn without_pooling(route: &Route) -> Route {
    Route { pooling: Pooling::Mean, ..*route }
}

/// The gradients below the lowest layer: that of every row in `h`, or that of the prompt rows in two parts, `x` and `h`.
fn input_grads(parts: &EncoderParts<'_>, buffers: &BatchBuffers, route: &Route) -> Vec<Step> {
    let launch = buffers.launch(parts);
    let (pipelines, weights, norm) = (parts.pipelines, parts.weights, norm_params(parts.spec));
    let BatchBuffers { offsets, rows, table, prompt, update, d_prompt, d_update, scratch, .. } = buffers;
    let (position, gamma) = (&weights.position, &weights.embed_norm.gamma);
    let (x, h) = (&scratch.x, &scratch.h);
    let per_example = route.per_example;
    let mut steps = Vec::new();
    match route.entry {
        Entry::After(_) => {
            let buffers = [offsets, x, h, d_prompt];
            steps.push(insert_grad::step(&pipelines.insert_grad, &launch, buffers, norm.columns, per_example));
        }
        Entry::Words if !route.prefix => {
            let whole = route.lowest_grad() == GradRows::All;
            let (residual, product) = if whole { (h, x) } else { (x, h) };
            let buffers = [offsets, residual, product, prompt, position, gamma, d_prompt];
            let layout = embed_grad::GradientLayout { per_example, whole };
            steps.push(embed_grad::step(&pipelines.embed_grad, &launch, buffers, norm, layout));
        }
        Entry::Words => {}
    }
    if route.update > 0 {
        let buffers = [offsets, rows, h, table, update, position, gamma, d_update];
        steps.push(update_grad::step(&pipelines.update_grad, &launch, buffers, norm, route.update as u32));
    }
    steps
}
