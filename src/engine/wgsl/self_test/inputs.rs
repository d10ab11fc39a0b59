//! Checks of the kernels before and beside the layers: embedding, insertion, update, prefix, neuron scores.

use super::{Bench, EPS, Errors, Output, TABLE, junk, narrow};
use crate::engine::cpu;
use crate::engine::wgsl::kernel::Kernel;
use crate::engine::wgsl::{embed, embed_grad, insert, insert_grad, layer_norm, neuron_scores, prefix, prefix_grad, update_grad};
use crate::engine::{GradRows, PROMPT_BIT, RowInfo};
use crate::error::Result;

/// Layers of the prefix, of which one is checked.
const LAYERS: usize = 3;
const LAYER: usize = 1;

impl Bench<'_> {
    /// The embedding and its gradient: with shared or separate prompt rows, and with an update, for which the gradient is whole.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] with the error of the device, here and in the other checks.
    pub async fn embedding(&mut self, forward: &Kernel, grad: &Kernel, per_example: bool, updates: bool) -> Result<Errors> {
        let (d, length) = (self.hidden(), self.shape.prompt);
        let (row_infos, prompt_rows) = self.prompts(per_example);
        let (table, prompt) = (self.values(TABLE * d, 1.0), self.values(prompt_rows * d, 1.0));
        let update = self.values(if updates { self.longest_text() * d } else { 0 }, 1.0);
        let (position, gamma, beta) = (self.values(self.longest() * d, 1.0), self.values(d, 1.0), self.values(d, 1.0));
        let d_residual = self.values(self.rows.len() * d, 1.0);
        let d_product = self.values(if updates { 0 } else { self.shape.lengths.len() * length * d }, 1.0);
        let mut h = junk(self.rows.len() * d);
        cpu::embed::embed(&row_infos, &table, &prompt, &update, &position, &gamma, &beta, &mut h, length, EPS);
        let mut d_prompt = junk(prompt.len());
        let offsets = &self.offsets;
        let (residual, product) = (&d_residual, &d_product);
        cpu::embed_grad::embed_grad(offsets, residual, product, &prompt, &position, &gamma, &mut d_prompt, EPS, per_example);

        let (rows, offsets) = (self.gpu.upload("rows", &row_infos)?, self.gpu.upload("offsets", &self.offsets)?);
        let [table, prompt, position] = [self.input(&table)?, self.input(&prompt)?, self.input(&position)?];
        // Values that are not read are junk, not zeros.
        let or_junk = |values: &[f64]| if values.is_empty() { self.input(&junk(h.len())) } else { self.input(values) };
        let [update, gamma, beta] = [or_junk(&update)?, self.input(&gamma)?, self.input(&beta)?];
        let [d_residual, d_product] = [self.input(&d_residual)?, or_junk(&d_product)?];
        let h = self.output(h)?;
        let buffers = [&rows, &table, &prompt, &update, &position, &gamma, &beta, &h.buffer];
        let step = embed::step(forward, &self.launch(), buffers, self.norm(), updates);
        let first = self.run(forward, &step, &[h]).await?;
        let d_prompt = self.output(d_prompt)?;
        let buffers = [&offsets, &d_residual, &d_product, &prompt, &position, &gamma, &d_prompt.buffer];
        let layout = embed_grad::GradientLayout { per_example, whole: updates };
        let step = embed_grad::step(grad, &self.launch(), buffers, self.norm(), layout);
        Ok(vec![first, self.run(grad, &step, &[d_prompt]).await?])
    }

    /// Prompt rows in front of hidden states, and their gradient.
    ///
    /// # Errors
    /// As [`Self::embedding`].
    pub async fn insertion(&mut self, forward: &Kernel, grad: &Kernel, per_example: bool) -> Result<Errors> {
        let (t, d) = (self.rows.len(), self.hidden());
        let (mut row_infos, prompt_rows) = self.prompts(per_example);
        let all_prompt_rows = self.shape.lengths.len() * self.shape.prompt;
        let texts = row_infos.iter_mut().filter(|row| row.source & PROMPT_BIT == 0);
        texts.zip(0..).for_each(|(row, source)| row.source = source);
        let (prompt, states) = (self.values(prompt_rows * d, 1.0), self.values((t - all_prompt_rows) * d, 1.0));
        let (d_residual, d_product) = (self.values(t * d, 1.0), self.values(all_prompt_rows * d, 1.0));
        let (mut h, mut d_prompt) = (junk(t * d), junk(prompt.len()));
        cpu::insert::insert(&row_infos, &prompt, &states, &mut h, d);
        cpu::insert_grad::insert_grad(&self.offsets, &d_residual, &d_product, &mut d_prompt, d, per_example);

        let (rows, offsets) = (self.gpu.upload("rows", &row_infos)?, self.gpu.upload("offsets", &self.offsets)?);
        let [prompt, states] = [self.input(&prompt)?, self.input(&states)?];
        let [d_residual, d_product] = [self.input(&d_residual)?, self.input(&d_product)?];
        let h = self.output(h)?;
        let step = insert::step(forward, &self.launch(), [&rows, &prompt, &states, &h.buffer], d as u32);
        let first = self.run(forward, &step, &[h]).await?;
        let d_prompt = self.output(d_prompt)?;
        let buffers = [&offsets, &d_residual, &d_product, &d_prompt.buffer];
        let step = insert_grad::step(grad, &self.launch(), buffers, d as u32, per_example);
        Ok(vec![first, self.run(grad, &step, &[d_prompt]).await?])
    }

    /// Gradient of an update with two rows more than the longest text.
    ///
    /// # Errors
    /// As [`Self::embedding`].
    pub async fn update(&mut self, grad: &Kernel) -> Result<Errors> {
        let (d, length) = (self.hidden(), self.longest_text() + 2);
        let (table, update) = (self.values(TABLE * d, 1.0), self.values(length * d, 1.0));
        let (position, gamma) = (self.values(self.longest() * d, 1.0), self.values(d, 1.0));
        let d_h = self.values(self.rows.len() * d, 1.0);
        let mut d_update = junk(update.len());
        let (offsets, rows, prompt) = (&self.offsets, &self.rows, self.shape.prompt);
        cpu::update_grad::update_grad(offsets, rows, &d_h, &table, &update, &position, &gamma, &mut d_update, prompt, EPS);

        let (rows, offsets) = (self.gpu.upload("rows", &self.rows)?, self.gpu.upload("offsets", &self.offsets)?);
        let [d_h, table, update] = [self.input(&d_h)?, self.input(&table)?, self.input(&update)?];
        let [position, gamma] = [self.input(&position)?, self.input(&gamma)?];
        let d_update = self.output(d_update)?;
        let buffers = [&offsets, &rows, &d_h, &table, &update, &position, &gamma, &d_update.buffer];
        let step = update_grad::step(grad, &self.launch(), buffers, self.norm(), length as u32);
        Ok(vec![self.run(grad, &step, &[d_update]).await?])
    }

    /// One layer of a prefix, and its gradient from the gradient of all rows and from that of the prompt rows.
    ///
    /// # Errors
    /// As [`Self::embedding`].
    pub async fn prefix(&mut self, forward: &Kernel, grad: &Kernel) -> Result<Errors> {
        let (d, length) = (self.hidden(), self.shape.prompt);
        let offsets = self.gpu.upload("offsets", &self.offsets)?;
        let trained = self.values(length * 2 * LAYERS * d, 1.0);
        let qkv = self.values(self.rows.len() * 3 * d, 1.0);
        let mut want = qkv.clone();
        cpu::prefix::prefix(&self.offsets, &trained, &mut want, LAYER, LAYERS, d);
        let want = self.output_from(&qkv, want)?;
        let (columns, layer, layers) = (d as u32, LAYER as u32, LAYERS as u32);
        let params = prefix::Params { columns, layer, layers, pad: 0 };
        let step = prefix::step(forward, &self.launch(), [&offsets, &self.input(&trained)?, &want.buffer], params);
        let mut errors = vec![self.run(forward, &step, &[want]).await?];
        for made in [GradRows::All, GradRows::Prompt] {
            let d_qkv = self.values(made.list(&self.rows).len() * 3 * d, 1.0);
            let (mut want, mut d_prefix) = (d_qkv.clone(), junk(trained.len()));
            if length > 0 {
                cpu::prefix_grad::prefix_grad(&self.offsets, &mut want, &mut d_prefix, LAYER, LAYERS, d, made);
            }
            let (want, d_prefix) = (self.output_from(&d_qkv, want)?, self.output(d_prefix)?);
            let prompt_only = u32::from(made == GradRows::Prompt);
            let params = prefix_grad::Params { columns, layer, layers, prompt_only };
            let step = prefix_grad::step(grad, &self.launch(), [&offsets, &want.buffer, &d_prefix.buffer], params);
            errors.push(self.run(grad, &step, &[want, d_prefix]).await?);
        }
        Ok(errors)
    }

    /// Scores of as many neurons as there are columns.
    ///
    /// # Errors
    /// As [`Self::embedding`].
    pub async fn neuron_scores(&mut self, kernel: &Kernel) -> Result<Errors> {
        let d = self.hidden();
        let g = self.values(self.rows.len() * d, 1.0);
        let mut scores = junk(d);
        cpu::neuron_scores::neuron_scores(&self.offsets, &g, &mut scores);
        let (offsets, g, scores) = (self.gpu.upload("offsets", &self.offsets)?, self.input(&g)?, self.output(scores)?);
        let step = neuron_scores::step(kernel, &self.launch(), [&offsets, &g, &scores.buffer], d as u32);
        Ok(vec![self.run(kernel, &step, &[scores]).await?])
    }

    /// The rows with shared or separate prompt rows, and the number of these.
    fn prompts(&self, per_example: bool) -> (Vec<RowInfo>, usize) {
        let length = self.shape.prompt;
        if !per_example {
            return (self.rows.clone(), length);
        }
        let own = |row: &RowInfo| match row.source & PROMPT_BIT {
            0 => *row,
            _ => RowInfo { source: row.source + row.example * length as u32, ..*row },
        };
        (self.rows.iter().map(own).collect(), self.shape.lengths.len() * length)
    }

    fn longest(&self) -> usize {
        self.shape.lengths.iter().copied().max().unwrap_or(0)
    }

    fn longest_text(&self) -> usize {
        self.longest() - self.shape.prompt
    }

    fn norm(&self) -> layer_norm::Params {
        layer_norm::Params { columns: self.hidden() as u32, eps: EPS as f32, pad: [0; 2] }
    }

    /// An output with these initial values.
    fn output_from(&self, values: &[f64], want: Vec<f64>) -> Result<Output> {
        let output = self.output(want)?;
        self.gpu.queue.write_buffer(&output.buffer, 0, bytemuck::cast_slice(&narrow(values)));
        Ok(output)
    }
}
