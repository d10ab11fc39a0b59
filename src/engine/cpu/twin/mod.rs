//! The interpreter of a plan in plain loops, for f32 and f64: it defines what the other interpreters have to compute.

pub mod activation;
pub mod rotate;

use std::borrow::Cow;
use std::sync::Arc;

use super::Scalar;
use super::attention::{Sight, attention};
use super::attention_grad_key::attention_grad_key;
use super::attention_grad_query::attention_grad_query;
use super::embed::embed;
use super::embed_grad::embed_grad;
use super::insert::insert;
use super::insert_grad::insert_grad;
use super::layer_norm::layer_norm;
use super::layer_norm_grad::layer_norm_grad;
use super::matmul::{MatmulSize, product};
use super::neuron_scores::neuron_scores;
use super::pool::pool;
use super::pool_grad::pool_grad;
use super::prefix::prefix;
use super::prefix_grad::prefix_grad;
use super::update_grad::update_grad;
use crate::data::batch::PackedBatch;
use crate::engine::{Entry, GradRows, Route, RowInfo};
use crate::program::plan::{Epilogue, Plan, Purpose, Rows, Step};
use crate::program::{Attention, Norm, Program, Value, Weight};
use activation::{activation, activation_grad, gate, gate_grad};
use rotate::rotate;

/// An encoder's program with its weights, each row-major.
#[derive(Debug, Clone)]
pub struct Twin {
    /// The program.
    pub program: Arc<Program>,
    /// Its weights, in their order.
    pub weights: Arc<Vec<Vec<f32>>>,
}

/// The content of a plan's buffers.
#[derive(Debug, Clone, Default)]
pub struct Memory<F>(Vec<Vec<F>>);

/// A pass over a batch: a plan, and the content of its buffers.
pub struct TwinPass<'a, F> {
    twin: &'a Twin,
    plan: &'a Plan,
    purpose: &'a Purpose,
    batch: &'a PackedBatch,
    per_example: bool,
    rows: Vec<RowInfo>,
    slots: Vec<Vec<F>>,
    /// The three parts of the trained input: the rows of the prompt (zeros if they are those of a prefix), the update, the prefix.
    prompt: Vec<F>,
    update: Vec<F>,
    prefix: Vec<F>,
    states: Vec<F>,
    /// Results, a matrix for each tap, and for each layer whose neurons are measured.
    pooled: Vec<Vec<F>>,
    scores: Vec<F>,
    d_pooled: Vec<Vec<F>>,
    d_prompt: Vec<F>,
    d_update: Vec<F>,
    d_prefix: Vec<F>,
}

impl Twin {
    /// Begins a pass over a batch with the trained input `[R, D]` of a route, and the hidden states `[T - B P, D]` of the text where
    /// a prompt is inserted above the embeddings (otherwise empty).
    ///
    /// # Panics
    /// If the input does not match the route.
    #[must_use]
    pub fn begin<'a, F: Scalar>(
        &'a self,
        plan: &'a Plan,
        purpose: &'a Purpose,
        batch: &'a PackedBatch,
        (route, input, states): (&Route, &[F], &[F]),
    ) -> TwinPass<'a, F> {
        let width = match purpose.entry {
            Entry::Words => self.program.width(self.program.embed.out),
            Entry::After(_) => self.program.hidden_size(),
        };
        let [prompt, update, prefix] = route.input_rows(batch, self.program.layers());
        let sizes = [prompt * width, update * width, prefix * self.program.hidden_size()];
        assert_eq!(input.len(), sizes.iter().sum::<usize>(), "the trained input is [R, D]");
        let (prompt, rest) = input.split_at(sizes[0]);
        let (update, prefix) = rest.split_at(sizes[1]);
        let prompt = if route.prefix { vec![F::ZERO; batch.prompt_length() * width] } else { prompt.to_vec() };
        let rows = route.row_infos(batch, |id| id);
        TwinPass {
            twin: self,
            plan,
            purpose,
            batch,
            per_example: route.per_example,
            slots: plan.slots.iter().map(|width| vec![F::ZERO; rows.len() * width]).collect(),
            rows,
            d_prompt: vec![F::ZERO; if route.prefix { 0 } else { prompt.len() }],
            d_update: vec![F::ZERO; update.len()],
            d_prefix: vec![F::ZERO; prefix.len()],
            prompt,
            update: update.to_vec(),
            prefix: prefix.to_vec(),
            states: states.to_vec(),
            pooled: vec![Vec::new(); purpose.taps.len()],
            scores: Vec::new(),
            d_pooled: Vec::new(),
        }
    }

    fn weight<F: Scalar>(&self, weight: Weight) -> Cow<'_, [F]> {
        F::weights(&self.weights[weight.index()])
    }

    fn shift<F: Scalar>(&self, norm: Norm) -> Cow<'_, [F]> {
        norm.beta.map_or_else(|| Cow::Owned(vec![F::ZERO; self.size(norm)]), |beta| self.weight(beta))
    }

    fn size(&self, norm: Norm) -> usize {
        self.program.weights[norm.gamma.index()].columns
    }
}

impl<F: Scalar> TwinPass<'_, F> {
    /// The forward pass: the pooled rows `[B, D]` of every tap. `visit` receives every value as soon as it is written.
    pub fn forward(&mut self, mut visit: impl FnMut(Value, &[F])) -> &[Vec<F>] {
        let plan = self.plan;
        for step in &plan.forward {
            self.step(step);
            step.outputs().for_each(|out| visit(out, self.value(out)));
        }
        &self.pooled
    }

    /// What the backward pass needs, at the end of the forward pass.
    #[must_use]
    pub fn into_memory(self) -> Memory<F> {
        Memory(self.slots)
    }

    /// The same pass at the end of the forward pass that left this memory.
    ///
    /// # Panics
    /// If it is that of another batch or plan.
    #[must_use]
    pub fn with_memory(mut self, memory: &Memory<F>) -> Self {
        let lengths = |slots: &[Vec<F>]| slots.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(&memory.0), lengths(&self.slots), "a tracked forward pass comes before the backward pass");
        self.slots.clone_from(&memory.0);
        self
    }

    /// Hidden states `[T, D]` after the last layer of the pass.
    #[must_use]
    pub fn states(&self) -> &[F] {
        self.plan.hidden.last().map_or(&[], |&value| self.value(value))
    }

    /// The scores of all neurons of all layers, lowest layer first.
    #[must_use]
    pub fn scores(&self) -> &[F] {
        &self.scores
    }

    /// The backward pass: from the gradients of the pooled rows `[B, D]` of every tap to that of the trained input `[R, D]`.
    #[must_use]
    pub fn backward(mut self, d_pooled: &[Vec<F>]) -> Vec<F> {
        self.d_pooled = d_pooled.to_vec();
        let plan = self.plan;
        for step in &plan.backward {
            self.step(step);
        }
        [self.d_prompt, self.d_update, self.d_prefix].concat()
    }

    fn elements(&self, value: Value) -> usize {
        let info = self.plan.value(value);
        let rows = match info.rows {
            Rows::All => self.rows.len(),
            Rows::Prompt => self.batch.examples() * self.batch.prompt_length(),
        };
        rows * info.width
    }

    fn value(&self, value: Value) -> &[F] {
        &self.slots[self.plan.value(value).slot][..self.elements(value)]
    }

    /// Writes a value; `f` gets all other values.
    fn write(&mut self, out: Value, f: impl FnOnce(&Self, &mut [F])) {
        let (slot, elements) = (self.plan.value(out).slot, self.elements(out));
        let mut buffer = std::mem::take(&mut self.slots[slot]);
        f(self, &mut buffer[..elements]);
        self.slots[slot] = buffer;
    }

    /// Writes two values.
    fn write_two(&mut self, first: Value, second: Value, f: impl FnOnce(&Self, &mut [F], &mut [F])) {
        let mut other = std::mem::take(&mut self.slots[self.plan.value(second).slot]);
        let elements = self.elements(second);
        self.write(first, |pass, first| f(pass, first, &mut other[..elements]));
        self.slots[self.plan.value(second).slot] = other;
    }

    /// Writes a value in the buffer of `x`, which it takes over.
    fn change(&mut self, x: Value, out: Value, f: impl FnOnce(&mut Self, &mut [F])) {
        let mut buffer = self.value(x).to_vec();
        f(self, &mut buffer);
        self.write(out, |_, out| out.copy_from_slice(&buffer));
    }

    fn sight<'b>(&self, attention: Attention, bias: &'b [F]) -> Sight<'b, F> {
        Sight { bias, window: attention.window, prompt: self.batch.prompt_length() }
    }

    fn bias(&self, attention: Attention) -> Cow<'_, [F]> {
        attention.bias.map_or(Cow::Borrowed(&[]), |bias| self.twin.weight(bias))
    }

    /// The rows of a gradient, for a twin of a kernel.
    fn made(&self, value: Value) -> GradRows {
        match self.plan.value(value).rows {
            Rows::All => GradRows::All,
            Rows::Prompt => GradRows::Prompt,
        }
    }

    fn step(&mut self, step: &Step) {
        let (twin, width) = (self.twin, |pass: &Self, value: Value| pass.plan.value(value).width);
        match *step {
            Step::Embed { out } => self.write(out, |pass, out| pass.embed(out)),
            Step::Insert { out } => {
                let hidden = width(self, out);
                self.write(out, |pass, out| insert(&pass.rows, &pass.prompt, &pass.states, out, hidden));
            }
            Step::Prefix { layer, x, out } => {
                let hidden = width(self, x) / 3;
                self.change(x, out, |pass, qkv| {
                    prefix(pass.batch.offsets(), &pass.prefix, qkv, layer, twin.program.layers(), hidden);
                });
            }
            Step::Linear { x, weight, bias, epilogue, out } => self.linear(x, weight, bias, epilogue, out),
            Step::Norm { x, norm, out, stats } => self.write_two(out, stats, |pass, out, stats| {
                layer_norm(pass.value(x), &twin.weight(norm.gamma), &twin.shift(norm), out, stats, norm.eps);
            }),
            Step::Activation { function, x, out } => {
                self.write(out, |pass, out| activation(pass.value(x), out, function));
            }
            Step::Gate { function, x, out } => {
                let neurons = width(self, out);
                self.write(out, |pass, out| gate(pass.value(x), out, function, neurons));
            }
            Step::Rotate { x, heads, head_size, theta, back, out } => {
                let places = self.places(x);
                self.change(x, out, |_, qkv| rotate(&places, qkv, heads, head_size, theta, back));
            }
            Step::Attention { x, attention: form, out, lse } => {
                let bias = self.bias(form).into_owned();
                let sight = self.sight(form, &bias);
                self.write_two(out, lse, |pass, out, lse| {
                    attention(&pass.rows, pass.value(x), out, lse, form.heads, form.head_size, &sight);
                });
            }
            Step::Add { x, y, out } => self.write(out, |pass, out| {
                for ((out, &x), &y) in out.iter_mut().zip(pass.value(x)).zip(pass.value(y)) {
                    *out = x + y;
                }
            }),
            Step::NeuronScores { x, .. } => {
                let mut scores = vec![F::ZERO; width(self, x)];
                neuron_scores(self.batch.offsets(), self.value(x), &mut scores);
                self.scores.extend(scores);
            }
            Step::Pool { x, tap } => {
                let hidden = width(self, x);
                let mut pooled = vec![F::ZERO; self.batch.examples() * hidden];
                pool(self.batch.offsets(), self.value(x), &mut pooled, self.purpose.taps[tap].pooling, hidden);
                self.pooled[tap] = pooled;
            }
            _ => self.step_back(step),
        }
    }

    fn step_back(&mut self, step: &Step) {
        let (twin, width) = (self.twin, |pass: &Self, value: Value| pass.plan.value(value).width);
        match *step {
            Step::PoolGrad { tap, add, out } => {
                let hidden = width(self, out);
                let known = add.map(|add| self.value(add).to_vec());
                let pooling = self.purpose.taps[tap].pooling;
                self.write(out, |pass, out| {
                    pool_grad(&pass.rows, &pass.d_pooled[tap], out, pooling, hidden);
                    add_to(out, known.as_deref());
                });
            }
            Step::LinearGrad { d_out, weight, epilogue, out } => self.linear_grad(d_out, weight, epilogue, out),
            Step::NormGrad { d_out, x, stats, norm, add, out } => self.write(out, |pass, out| {
                layer_norm_grad(pass.value(d_out), pass.value(x), pass.value(stats), &twin.weight(norm.gamma), out);
                add_to(out, add.map(|add| pass.value(add)));
            }),
            Step::ActivationGrad { function, d_out, x, out } => {
                self.write(out, |pass, out| activation_grad(pass.value(d_out), pass.value(x), out, function));
            }
            Step::GateGrad { function, d_out, x, out } => {
                let neurons = width(self, d_out);
                self.write(out, |pass, out| gate_grad(pass.value(d_out), pass.value(x), out, function, neurons));
            }
            Step::AttentionGrad { d_out, x, lse, attention: form, out, delta } => {
                let bias = self.bias(form).into_owned();
                let (sight, made) = (self.sight(form, &bias), self.made(out));
                self.write_two(out, delta, |pass, out, delta| {
                    let (qkv, d_out, lse) = (pass.value(x), pass.value(d_out), pass.value(lse));
                    let (heads, size) = (form.heads, form.head_size);
                    attention_grad_query(&pass.rows, qkv, d_out, lse, out, delta, heads, size, made, &sight);
                    attention_grad_key(&pass.rows, qkv, d_out, lse, delta, out, heads, size, made, &sight);
                });
            }
            Step::PrefixGrad { layer, x, out } => {
                let (hidden, made) = (width(self, x) / 3, self.made(x));
                self.change(x, out, |pass, d_qkv| {
                    let layers = twin.program.layers();
                    prefix_grad(pass.batch.offsets(), d_qkv, &mut pass.d_prefix, layer, layers, hidden, made);
                });
            }
            Step::InputGrad { all, prompt } => self.input_grad(all, prompt),
            _ => {}
        }
    }

    fn linear(&mut self, x: Value, weight: Weight, bias: Option<Weight>, epilogue: Epilogue, out: Value) {
        let (twin, n, k) = (self.twin, self.plan.value(out).width, self.plan.value(x).width);
        let result = if let Epilogue::Activation { pre, .. } = epilogue { pre } else { out };
        self.write(result, |pass, result| {
            let x = pass.value(x);
            product(x, &twin.weight(weight), result, true, MatmulSize { m: x.len() / k, n, k });
            if let Some(bias) = bias {
                let bias = twin.weight(bias);
                result.chunks_exact_mut(n).for_each(|row| add_to(row, Some(&*bias)));
            }
            if let Epilogue::Add { y } = epilogue {
                add_to(result, Some(pass.value(y)));
            }
        });
        if let Epilogue::Activation { function, pre } = epilogue {
            self.write(out, |pass, out| activation(pass.value(pre), out, function));
        }
    }

    fn linear_grad(&mut self, d_out: Value, weight: Weight, epilogue: Epilogue, out: Value) {
        let (twin, k, n) = (self.twin, self.plan.value(d_out).width, self.plan.value(out).width);
        let d_product = self.value(d_out);
        let mut d_x = vec![F::ZERO; self.elements(out)];
        product(d_product, &twin.weight(weight), &mut d_x, false, MatmulSize { m: d_product.len() / k, n, k });
        match epilogue {
            Epilogue::Add { y } => add_to(&mut d_x, Some(self.value(y))),
            Epilogue::ActivationGrad { function, x } => {
                let d_activation = d_x.clone();
                activation_grad(&d_activation, self.value(x), &mut d_x, function);
            }
            Epilogue::Plain | Epilogue::Activation { .. } => {}
        }
        self.write(out, |_, out| out.copy_from_slice(&d_x));
    }

    /// The place in its example of every row of a value.
    fn places(&self, value: Value) -> Vec<u32> {
        let made = self.made(value).list(&self.rows);
        made.into_iter().map(|t| t as u32 - self.rows[t].start).collect()
    }

    /// Positions of the embeddings, a row for every place.
    fn positions(&self) -> Cow<'_, [F]> {
        let Program { embed, .. } = &*self.twin.program;
        let (width, places) = (self.twin.program.width(embed.out), self.batch.longest());
        match embed.position {
            None => Cow::Owned(vec![F::ZERO; places * width]),
            Some(table) => {
                let table = self.twin.weight(table);
                if table.len() == width { Cow::Owned(table.repeat(places)) } else { table }
            }
        }
    }

    fn embed(&self, out: &mut [F]) {
        let norm = self.twin.program.embed.norm;
        embed(
            &self.rows,
            &self.twin.weight(self.twin.program.embed.word),
            &self.prompt,
            &self.update,
            &self.positions(),
            &self.twin.weight(norm.gamma),
            &self.twin.shift(norm),
            out,
            self.batch.prompt_length(),
            norm.eps,
        );
    }

    fn input_grad(&mut self, all: Option<Value>, prompt: Option<Value>) {
        let (all, prompt) = ([all, prompt]).map(|value| value.map_or(&[][..], |value| self.value(value))).into();
        let (mut d_prompt, mut d_update) = (self.d_prompt.clone(), self.d_update.clone());
        let (offsets, program) = (self.batch.offsets(), &self.twin.program);
        let norm = program.embed.norm;
        let gamma = self.twin.weight(norm.gamma);
        if self.purpose.entry != Entry::Words {
            insert_grad(offsets, all, prompt, &mut d_prompt, program.hidden_size(), self.per_example);
        } else if !d_prompt.is_empty() {
            let positions = self.positions();
            embed_grad(offsets, all, prompt, &self.prompt, &positions, &gamma, &mut d_prompt, norm.eps, self.per_example);
        }
        if !d_update.is_empty() {
            let (words, positions) = (self.twin.weight(program.embed.word), self.positions());
            let (length, eps) = (self.batch.prompt_length(), norm.eps);
            update_grad(offsets, &self.rows, all, &words, &self.update, &positions, &gamma, &mut d_update, length, eps);
        }
        (self.d_prompt, self.d_update) = (d_prompt, d_update);
    }
}

fn add_to<F: Scalar>(out: &mut [F], add: Option<&[F]>) {
    if let Some(add) = add {
        out.iter_mut().zip(add).for_each(|(out, &add)| *out += add);
    }
}
