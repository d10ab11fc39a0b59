//! [`RoutedInput`]: the inputs of a pass through the encoder, for both encoders: the rows of its batch and the parts of its
//! trained input.

use std::borrow::Cow;

use super::Scalar;
use super::embed::embed;
use super::embed_grad::embed_grad;
use super::insert::insert;
use super::insert_grad::insert_grad;
use super::prefix::prefix;
use super::prefix_grad::prefix_grad;
use super::update_grad::update_grad;
use crate::data::batch::PackedBatch;
use crate::engine::{Entry, Route, RowInfo, check_route};
use crate::model::spec::{EncoderSpec, EncoderWeights};

/// A batch on its route.
pub(super) struct RoutedInput<'a, F: Clone> {
    pub(super) batch: &'a PackedBatch,
    pub(super) route: Route,
    pub(super) rows: Vec<RowInfo>,
    weights: &'a EncoderWeights,
    /// `[P, D]` or `[B P, D]`; zeros if there is a prefix.
    prompt: Cow<'a, [F]>,
    /// `[N, D]`.
    update: &'a [F],
    /// `[2 L P, D]`.
    prefix: &'a [F],
    /// Number of elements in the three parts of the trained input.
    sizes: [usize; 3],
}

impl<'a, F: Scalar> RoutedInput<'a, F> {
    /// A batch with a trained input `[R, D]`.
    ///
    /// # Panics
    /// If the encoder does not support the batch on this route, or the input does not match [`Route::input_rows`].
    pub(super) fn new(weights: &'a EncoderWeights, batch: &'a PackedBatch, input: &'a [F], route: Route) -> Self {
        let &EncoderSpec { hidden, layers, .. } = &weights.spec;
        if let Err(problem) = check_route(batch, &route, &weights.spec) {
            panic!("{problem}");
        }
        let sizes = route.input_rows(batch, layers).map(|rows| rows * hidden);
        assert_eq!(input.len(), sizes.iter().sum::<usize>(), "the trained input is [R, D]");
        let (prompt, rest) = input.split_at(sizes[0]);
        let (update, prefix) = rest.split_at(sizes[1]);
        let prompt = if route.prefix { Cow::Owned(vec![F::ZERO; batch.prompt_length() * hidden]) } else { Cow::Borrowed(prompt) };
        Self { batch, route, rows: route.row_infos(batch, |id| id), weights, prompt, update, prefix, sizes }
    }

    /// The lowest layer of the pass.
    pub(super) fn first(&self) -> usize {
        self.route.lowest_layer()
    }

    /// Input of the lowest layer, `h` `[T, D]`; `states` `[T - B P, D]` are the hidden states of the text there, with
    /// [`Entry::After`].
    pub(super) fn embed_input(&self, states: &[F], h: &mut [F]) {
        let EncoderWeights { spec, word, position, embed_norm: norm, .. } = self.weights;
        if self.route.entry != Entry::Words {
            assert_eq!(states.len(), self.batch.tokens().len() * spec.hidden, "states is [T - B P, D]");
            insert(&self.rows, &self.prompt, states, h, spec.hidden);
            return;
        }
        embed(
            &self.rows,
            &F::weights(word),
            &self.prompt,
            self.update,
            &F::weights(position),
            &F::weights(&norm.gamma),
            &F::weights(&norm.beta),
            h,
            self.batch.prompt_length(),
            spec.layer_norm_eps,
        );
    }

    /// Writes the prefix of a layer, if there is one, into its `qkv` `[T, 3 D]`.
    pub(super) fn put_prefix(&self, layer: usize, qkv: &mut [F]) {
        if self.route.prefix {
            let &EncoderSpec { hidden, layers, .. } = &self.weights.spec;
            prefix(self.batch.offsets(), self.prefix, qkv, layer, layers, hidden);
        }
    }

    /// Moves the gradient of a layer's prefix, if there is one, from `d_qkv` (`[T, 3 D]`, in the lowest layer
    /// [`Route::lowest_grad`]) to that of the trained input.
    pub(super) fn take_prefix(&self, layer: usize, d_qkv: &mut [F], d_input: &mut [F]) {
        if self.route.prefix {
            let &EncoderSpec { hidden, layers, .. } = &self.weights.spec;
            let made = if layer == 0 { self.route.lowest_grad() } else { crate::engine::GradRows::All };
            let d_prefix = &mut d_input[self.sizes[0] + self.sizes[1]..];
            prefix_grad(self.batch.offsets(), d_qkv, d_prefix, layer, layers, hidden, made);
        }
    }

    /// Whether something below the lowest layer is trained; not with only a prefix.
    pub(super) fn has_input_gradient(&self) -> bool {
        self.sizes[0] + self.sizes[1] > 0
    }

    /// Gradient of the prompt and the update from the gradient of the lowest layer's input: `d_residual` `[T, D]` and `d_product`
    /// `[B P, D]`, or all of it in `d_residual` if every row has one.
    pub(super) fn input_gradient(&self, d_residual: &[F], d_product: &[F], d_input: &mut [F]) {
        let EncoderWeights { spec, word, position, embed_norm: norm, .. } = self.weights;
        let &EncoderSpec { hidden, layer_norm_eps: eps, .. } = spec;
        let (d_prompt, rest) = d_input.split_at_mut(self.sizes[0]);
        let (offsets, per_example) = (self.batch.offsets(), self.route.per_example);
        if self.route.entry != Entry::Words {
            insert_grad(offsets, d_residual, d_product, d_prompt, hidden, per_example);
            return;
        }
        let (position, gamma) = (F::weights(position), F::weights(&norm.gamma));
        if !d_prompt.is_empty() {
            embed_grad(offsets, d_residual, d_product, &self.prompt, &position, &gamma, d_prompt, eps, per_example);
        }
        if self.sizes[1] > 0 {
            let (table, d_update) = (F::weights(word), &mut rest[..self.sizes[1]]);
            let length = self.batch.prompt_length();
            update_grad(offsets, &self.rows, d_residual, &table, self.update, &position, &gamma, d_update, length, eps);
        }
    }
}
