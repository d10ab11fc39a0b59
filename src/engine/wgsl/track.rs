//! What tracked passes add to the arena: a set of buffers for each layer on the route, and the backward pass, which reuses the
//! forward pass's scratch buffers. With recomputation, the two largest buffers of each set are shared, and computed again in the
//! backward pass.

use super::arena::{Arena, Plan, lowest, room, scratch_width};
use super::layer::{Kept, norm_params};
use super::recorder::Step;
use super::{embed_grad, insert_grad, prefix_grad, update_grad};
use crate::engine::{Entry, GradRows, Pooling, Route};
use crate::error::Result;
use crate::model::spec::EncoderSpec;

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
    /// Whether the backward pass reads the word table.
    pub(super) fn reads_table(&self) -> bool {
        self.recompute || self.route.update > 0
    }
}

/// Elements per row that a layer saves: all, and those that are recomputed.
fn kept_widths(spec: &EncoderSpec) -> (usize, usize) {
    let again = 3 * spec.hidden + spec.ffn;
    (again + 2 * spec.hidden + spec.heads + 4, again)
}

/// Buffers for the saved activations of a layer; `qkv` and `u` may be those of another one.
///
/// # Errors
/// [`crate::error::Error::Device`] if a buffer is larger than the device can bind.
pub(super) fn keep(plan: &Plan<'_>, rows: u32, shared: Option<&Kept>) -> Result<Kept> {
    let &EncoderSpec { hidden, heads, ffn, .. } = plan.spec;
    let new = |name: &str, width: usize| room(plan.gpu, name, rows, width);
    let (qkv, u) = match shared {
        Some(kept) => (kept.qkv.clone(), kept.u.clone()),
        None => (new("qkv", 3 * hidden)?, new("u", ffn)?),
    };
    Ok(Kept {
        qkv,
        lse: new("lse", heads)?,
        x1: new("x1", hidden)?,
        stats1: new("stats1", 2)?,
        u,
        x2: new("x2", hidden)?,
        stats2: new("stats2", 2)?,
    })
}

impl Arena {
    /// Size of all activations of a tracked pass on a route in bytes, at this capacity: those of its layers, and the scratch
    /// buffers with the hidden states before an inserted prompt.
    pub(super) fn activation_bytes(&self, spec: &EncoderSpec, route: &Route, recompute: bool) -> u64 {
        let (all, again) = kept_widths(spec);
        let layers = spec.layers.saturating_sub(lowest(route));
        let kept = if recompute { layers * (all - again) + again } else { layers * all };
        let states = if route.entry == Entry::Words { 0 } else { spec.hidden };
        u64::from(self.capacity.rows) * (kept + scratch_width(spec) + states) as u64 * size_of::<f32>() as u64
    }

    /// Allocates buffers for tracked passes on a route, for the first one.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn track(&mut self, plan: &Plan<'_>, route: &Route, recompute: bool) -> Result<()> {
        // Pooling has its own steps.
        let route = Route { pooling: Pooling::Mean, ..*route };
        if self.tracked.as_ref().is_some_and(|tracked| (tracked.route, tracked.recompute) == (route, recompute)) {
            return Ok(());
        }
        self.tracked = None;
        let lowest = lowest(&route);
        let weights = plan.weights.layers.get(lowest..).unwrap_or_default();
        let shared = recompute.then_some(&self.kept);
        let upper = weights.iter().skip(1).map(|_| keep(plan, self.capacity.rows, shared)).collect::<Result<Vec<_>>>()?;
        let pairs: Vec<_> = weights.iter().zip(std::iter::once(&self.kept).chain(&upper)).collect();
        let make = self.layers(plan);
        let prefix = |index: usize, qkv: &wgpu::Buffer| route.prefix.then(|| self.prefix_step(plan, lowest + index, qkv));
        let mut backward = Vec::new();
        for (index, &(layer, kept)) in pairs.iter().enumerate().rev() {
            // Those of the uppermost layer are still in the buffers.
            if recompute && index + 1 < pairs.len() {
                let input = match index.checked_sub(1) {
                    Some(below) => {
                        let (layer, kept) = pairs[below];
                        make.norm(&kept.x2, &layer.ffn_norm, &self.scratch.x, &kept.stats2)
                    }
                    None => self.first_into(plan, &route, &self.scratch.x),
                };
                backward.extend(make.again(input, layer, kept, prefix(index, &kept.qkv)));
            }
            let made = if index == 0 { route.lowest_grad() } else { GradRows::All };
            let prefix_grad = route.prefix.then(|| self.prefix_grad_step(plan, index, made));
            backward.extend(make.backward(layer, kept, made, prefix_grad));
        }
        backward.extend(self.input_grads(plan, &route));
        let forward = pairs.iter().enumerate();
        let layers = forward.map(|(index, (layer, kept))| make.forward(layer, kept, prefix(index, &kept.qkv))).collect();
        self.tracked = Some(Tracked { layers, backward, route, recompute });
        Ok(())
    }

    /// Steps from the gradient of the last layer's output to the gradient of the trained input; empty before [`Self::track`].
    pub(super) fn backward(&self) -> &[Step] {
        self.tracked.as_ref().map_or(&[], |tracked| &tracked.backward)
    }

    /// Extracts the gradient of the prefix from that of qkv.
    fn prefix_grad_step(&self, plan: &Plan<'_>, layer: usize, made: GradRows) -> Step {
        let EncoderSpec { hidden, layers, .. } = *plan.spec;
        let prompt_only = u32::from(made == GradRows::Prompt);
        let params = prefix_grad::Params { columns: hidden as u32, layer: layer as u32, layers: layers as u32, prompt_only };
        let launch = self.layers(plan).launch(GradRows::All);
        let buffers = [&self.offsets, &self.scratch.wide, &self.d_prefix];
        prefix_grad::step(&plan.pipelines.prefix_grad, &launch, buffers, params)
    }

    /// The gradients below the lowest layer: that of every row in `h`, or that of the prompt rows in two parts, `x` and `h`.
    fn input_grads(&self, plan: &Plan<'_>, route: &Route) -> Vec<Step> {
        let launch = self.layers(plan).launch(GradRows::All);
        let (pipelines, weights, norm) = (plan.pipelines, plan.weights, norm_params(plan.spec));
        let Self { offsets, rows, table, prompt, update, d_prompt, d_update, scratch, .. } = self;
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
                let kind = embed_grad::Kind { per_example, whole };
                steps.push(embed_grad::step(&pipelines.embed_grad, &launch, buffers, norm, kind));
            }
            Entry::Words => {}
        }
        if route.update > 0 {
            let buffers = [offsets, rows, h, table, update, position, gamma, d_update];
            steps.push(update_grad::step(&pipelines.update_grad, &launch, buffers, norm, route.update as u32));
        }
        steps
    }
}
