//! Intermediate results of the encoder: hidden states, with and without a cache, and the activations of its neurons.

use std::borrow::Cow;

use super::cache::StateCache;
use super::device::lock;
use super::encoder::{WgslEncoder, begin, command_encoder, replay};
use crate::data::batch::{Example, PackedBatch};
use crate::engine::{Pooling, Route};
use crate::error::{Error, Result};

/// A position in a buffer, in bytes.
pub type BufferOffset<'a> = (&'a wgpu::Buffer, u64);

impl WgslEncoder {
    /// Output of the embeddings and of each layer for a batch and its prompt `[P, D]`, lowest first: `L + 1` times `[T, D]`.
    ///
    /// # Errors
    /// As [`Self::prepare`] and [`Self::read`]; [`Error::Model`] if the prompt is not `[P, D]`.
    pub async fn hidden_states(&self, batch: &PackedBatch, prompt: &[f32]) -> Result<Vec<Vec<f32>>> {
        if prompt.len() != batch.prompt_length() * self.spec().hidden {
            return Err(Error::model(
                format!("{} prompt values for {} rows of {}", prompt.len(), batch.prompt_length(), self.spec().hidden),
                "give a prompt of [P, D]",
            ));
        }
        let route = Route::words(Pooling::Mean);
        self.prepare(batch, route)?;
        let values = batch.rows() * self.spec().hidden;
        let bytes = (values * size_of::<f32>()) as u64;
        let mut copies = Vec::new();
        {
            let state = lock(&self.state);
            self.gpu().queue.write_buffer(&state.arena.buffers.prompt, 0, bytemuck::cast_slice(prompt));
            let mut commands = command_encoder(self.gpu(), "hidden states");
            for steps in state.arena.forward(&route, false) {
                replay(&mut begin(&mut commands, "layer"), steps, state.size);
                let copy = self.gpu().storage("hidden state", bytes)?;
                commands.copy_buffer_to_buffer(state.arena.h(), 0, &copy, 0, bytes);
                copies.push(copy);
            }
            self.gpu().queue.submit([commands.finish()]);
        }
        let mut states = Vec::new();
        for copy in copies {
            states.push(self.gpu().read(&copy, values).await?);
        }
        Ok(states)
    }

    /// An empty cache of hidden states with at most `budget` bytes on the device.
    #[must_use]
    pub fn cache(&self, budget: u64) -> StateCache {
        StateCache::new(budget)
    }

    /// Records commands that write the hidden states `[T, D]` after `layers` layers (0: after the norm of the embeddings) of a
    /// batch without prompt rows to a buffer. With a cache and a key for each example, cached states are copied, and only missing
    /// ones are computed and cached. The commands have to be submitted before anything else is prepared with this encoder. The
    /// current batch is lost.
    ///
    /// # Errors
    /// As [`Self::prepare`]; [`Error::Model`] for prompt rows, more layers than there are, or another number of keys. Nothing has
    /// been recorded then.
    pub fn states(
        &self,
        commands: &mut wgpu::CommandEncoder,
        batch: &PackedBatch,
        layers: usize,
        cache: Option<(&StateCache, &[u32])>,
        (target, offset): BufferOffset<'_>,
    ) -> Result<()> {
        let wrong_keys = cache.is_some_and(|(_, keys)| keys.len() != batch.examples());
        if wrong_keys || batch.prompt_length() > 0 || layers > self.spec().layers {
            return Err(Error::model(
                format!("hidden states of {} examples after {layers} layers", batch.examples()),
                "report this as a bug",
            ));
        }
        let row_bytes = (self.spec().hidden * size_of::<f32>()) as u64;
        // First byte and number of bytes of each example in the target, its key, and where it is cached.
        let place = |(index, rows): (usize, &[u32])| {
            let (at, bytes) = (u64::from(rows[0]) * row_bytes, u64::from(rows[1] - rows[0]) * row_bytes);
            let key = cache.map(|(cache, keys)| (cache, keys[index]));
            (offset + at, bytes, key, key.and_then(|(cache, key)| cache.find(key, bytes)))
        };
        let places: Vec<_> = batch.offsets().windows(2).enumerate().map(place).collect();
        let missing: Vec<usize> = (0..places.len()).filter(|&example| places[example].3.is_none()).collect();
        let all = missing.len() == places.len();
        if !missing.is_empty() {
            let part = if all { Cow::Borrowed(batch) } else { Cow::Owned(part(batch, &missing)) };
            let route = Route::words(Pooling::Mean);
            self.prepare(&part, route)?;
            let state = lock(&self.state);
            let mut pass = begin(commands, "hidden states");
            for steps in state.arena.forward(&route, false).take(1 + layers) {
                replay(&mut pass, steps, state.size);
            }
            drop(pass);
            let made = state.arena.h();
            if all {
                commands.copy_buffer_to_buffer(made, 0, target, offset, batch.rows() as u64 * row_bytes);
            }
            let mut from = 0;
            for &(at, bytes, key, _) in missing.iter().map(|&example| &places[example]) {
                if !all {
                    commands.copy_buffer_to_buffer(made, from, target, at, bytes);
                }
                if let Some((cached, to)) = key.and_then(|(cache, key)| cache.allocate(self.gpu(), key, bytes)) {
                    commands.copy_buffer_to_buffer(made, from, &cached, to, bytes);
                }
                from += bytes;
            }
        }
        for (at, bytes, _, cached) in &places {
            if let Some((cached, from)) = cached {
                commands.copy_buffer_to_buffer(cached, *from, target, *at, *bytes);
            }
        }
        Ok(())
    }

    /// Records the layers over the current batch after shared prompt rows in [`Self::prompt_buffer`], and writes for every neuron
    /// the sum over the examples of the mean absolute activation over an example's rows to a buffer, `[L, F]`.
    ///
    /// # Errors
    /// [`Error::Device`] if there is not enough memory for a layer's scores.
    pub fn neuron_scores(&self, commands: &mut wgpu::CommandEncoder, (target, offset): BufferOffset<'_>) -> Result<()> {
        let state = &mut *lock(&self.state);
        state.activations_saved = false;
        let bytes = (self.spec().ffn * size_of::<f32>()) as u64;
        let scores = self.gpu().storage("scores", bytes)?;
        let sum = state.arena.buffers.neuron_scores(&self.parts(), &scores);
        let mut to = offset;
        for (number, steps) in state.arena.forward(&Route::words(Pooling::Mean), false).enumerate() {
            let mut pass = begin(commands, "neuron scores");
            replay(&mut pass, steps, state.size);
            // The embeddings have no neurons.
            if number == 0 {
                continue;
            }
            sum.replay(&mut pass, state.size);
            drop(pass);
            commands.copy_buffer_to_buffer(&scores, 0, target, to, bytes);
            to += bytes;
        }
        Ok(())
    }
}

/// A batch with these examples of a batch without prompt rows.
fn part(batch: &PackedBatch, examples: &[usize]) -> PackedBatch {
    let example = |&index: &usize| {
        let (start, end) = (batch.offsets()[index] as usize, batch.offsets()[index + 1] as usize);
        Example { tokens: batch.tokens()[start..end].to_vec(), label: batch.labels()[index] }
    };
    let examples: Vec<Example> = examples.iter().map(example).collect();
    PackedBatch::new(&examples, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_batch_has_its_examples() {
        let examples = [[1, 2].as_slice(), &[3], &[4, 5, 6]].map(|tokens| Example { tokens: tokens.to_vec(), label: tokens[0] });
        let batch = PackedBatch::new(&examples, 0);
        assert_eq!(part(&batch, &[0, 2]), PackedBatch::new([&examples[0], &examples[2]], 0));
        assert_eq!(part(&batch, &[0, 1, 2]), batch);
    }
}
