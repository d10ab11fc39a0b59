//! The frozen weights on the device: one buffer or texture each, one copy for forward and backward pass, and only those word
//! embeddings that are in use.

use std::collections::HashMap;
use std::sync::Arc;

use super::device::Gpu;
use super::matmul::Weight;
use super::tile::Tile;
use crate::error::{Error, Result};
use crate::model::spec::{EncoderSpec, EncoderWeights, LinearWeights, NormWeights};

/// A product's weight `[out, in]` and bias `[out]`.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) weight: Weight,
    pub(super) bias: wgpu::Buffer,
    /// Outputs and inputs.
    pub(super) size: (u32, u32),
}

impl Linear {
    fn new(gpu: &Gpu, name: &str, linear: &LinearWeights, tile: Tile) -> Result<Self> {
        let (outputs, inputs) = (linear.bias.len(), linear.weight.len() / linear.bias.len());
        let operands = tile.operands(outputs, inputs);
        Ok(Self {
            weight: Weight::upload(gpu, &format!("{name}.weight"), &linear.weight, inputs, operands)?,
            bias: gpu.upload(&format!("{name}.bias"), &linear.bias)?,
            size: (outputs as u32, inputs as u32),
        })
    }
}

/// A norm's scale and shift `[D]`.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) gamma: wgpu::Buffer,
    pub(super) beta: wgpu::Buffer,
}

impl Norm {
    fn new(gpu: &Gpu, name: &str, norm: &NormWeights) -> Result<Self> {
        Ok(Self {
            gamma: gpu.upload(&format!("{name}.gamma"), &norm.gamma)?,
            beta: gpu.upload(&format!("{name}.beta"), &norm.beta)?,
        })
    }
}

/// One layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) qkv: Linear,
    pub(super) attention_out: Linear,
    pub(super) attention_norm: Norm,
    pub(super) ffn_in: Linear,
    pub(super) ffn_out: Linear,
    pub(super) ffn_norm: Norm,
}

/// All weights except the word embeddings.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) position: wgpu::Buffer,
    pub(super) embed_norm: Norm,
    pub(super) layers: Vec<Layer>,
}

impl Weights {
    /// Uploads the weights, in the form that products with this tile read.
    ///
    /// # Errors
    /// [`Error::Model`] if a weight does not have the shape in the spec; [`Error::Device`] if one is larger than the device can
    /// bind.
    pub(super) fn new(gpu: &Gpu, weights: &EncoderWeights, tile: Tile) -> Result<Self> {
        check_shapes(weights)?;
        let layers = weights.layers.iter().map(|layer| {
            Ok(Layer {
                qkv: Linear::new(gpu, "qkv", &layer.qkv, tile)?,
                attention_out: Linear::new(gpu, "attention_out", &layer.attention_out, tile)?,
                attention_norm: Norm::new(gpu, "attention_norm", &layer.attention_norm)?,
                ffn_in: Linear::new(gpu, "ffn_in", &layer.ffn_in, tile)?,
                ffn_out: Linear::new(gpu, "ffn_out", &layer.ffn_out, tile)?,
                ffn_norm: Norm::new(gpu, "ffn_norm", &layer.ffn_norm)?,
            })
        });
        Ok(Self {
            position: gpu.upload("position", &weights.position)?,
            embed_norm: Norm::new(gpu, "embed_norm", &weights.embed_norm)?,
            layers: layers.collect::<Result<_>>()?,
        })
    }
}

impl Weights {
    /// Size on the device in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let linear = |linear: &Linear| linear.weight.size() + linear.bias.size();
        let norm = |norm: &Norm| norm.gamma.size() + norm.beta.size();
        let layers = self.layers.iter().map(|layer| {
            let Layer { qkv, attention_out, attention_norm, ffn_in, ffn_out, ffn_norm } = layer;
            [qkv, attention_out, ffn_in, ffn_out].map(linear).iter().sum::<u64>() + norm(attention_norm) + norm(ffn_norm)
        });
        self.position.size() + norm(&self.embed_norm) + layers.sum::<u64>()
    }
}

/// Checks that the device can bind every weight of an encoder of these sizes. Called first, because everything else takes
/// seconds.
///
/// # Errors
/// [`Error::DeviceMemory`] with the largest weight and the limit.
pub(super) fn check_fit(gpu: &Gpu, spec: &EncoderSpec) -> Result<()> {
    let ((name, rows), d) = (spec.largest_weight(), spec.hidden);
    let (bytes, limit) = ((rows * d * size_of::<f32>()) as u64, gpu.largest_binding());
    if bytes <= limit {
        return Ok(());
    }
    let problem = format!(
        "the encoder is too large for this GPU: its largest {name} weight ({rows} x {d}) has {bytes} bytes, but the largest buffer of {} is {limit} bytes",
        gpu.name()
    );
    Err(Error::device_memory(problem, "use the CPU, or choose a smaller encoder"))
}

/// The kernels index according to the spec, so a wrong length here would give wrong results.
fn check_shapes(weights: &EncoderWeights) -> Result<()> {
    let spec = &weights.spec;
    let (d, f) = (spec.hidden, spec.ffn);
    let mut lengths = vec![
        ("word", weights.word.len(), spec.vocab * d),
        ("position", weights.position.len(), spec.max_positions * d),
        ("embed_norm.gamma", weights.embed_norm.gamma.len(), d),
        ("embed_norm.beta", weights.embed_norm.beta.len(), d),
        ("layers", weights.layers.len(), spec.layers),
    ];
    for layer in &weights.layers {
        lengths.extend([
            ("qkv.weight", layer.qkv.weight.len(), 3 * d * d),
            ("qkv.bias", layer.qkv.bias.len(), 3 * d),
            ("attention_out.weight", layer.attention_out.weight.len(), d * d),
            ("attention_out.bias", layer.attention_out.bias.len(), d),
            ("attention_norm.gamma", layer.attention_norm.gamma.len(), d),
            ("attention_norm.beta", layer.attention_norm.beta.len(), d),
            ("ffn_in.weight", layer.ffn_in.weight.len(), f * d),
            ("ffn_in.bias", layer.ffn_in.bias.len(), f),
            ("ffn_out.weight", layer.ffn_out.weight.len(), d * f),
            ("ffn_out.bias", layer.ffn_out.bias.len(), d),
            ("ffn_norm.gamma", layer.ffn_norm.gamma.len(), d),
            ("ffn_norm.beta", layer.ffn_norm.beta.len(), d),
        ]);
    }
    match lengths.iter().find(|(_, got, want)| got != want) {
        None => Ok(()),
        Some((name, got, want)) => {
            let problem = format!("{name} has {got} values, but the encoder's sizes require {want}");
            Err(Error::model(problem, "use the config.json and model.safetensors of one encoder"))
        }
    }
}

/// The word embeddings in use, in the order in which they were loaded.
#[derive(Debug)]
pub(super) struct WordTable {
    weights: Arc<EncoderWeights>,
    slots: HashMap<u32, u32>,
    /// `[capacity, D]`; replaced by a larger one as the table grows.
    pub(super) buffer: wgpu::Buffer,
    capacity: usize,
}

/// Rows of an empty table.
const FIRST_CAPACITY: usize = 1024;

impl WordTable {
    pub(super) fn new(gpu: &Gpu, weights: Arc<EncoderWeights>) -> Result<Self> {
        let capacity = FIRST_CAPACITY.min(weights.spec.vocab);
        let buffer = Self::room(gpu, &weights, capacity)?;
        Ok(Self { weights, slots: HashMap::new(), buffer, capacity })
    }

    fn room(gpu: &Gpu, weights: &EncoderWeights, capacity: usize) -> Result<wgpu::Buffer> {
        gpu.storage("table", (capacity * weights.spec.hidden * size_of::<f32>()) as u64)
    }

    /// The row of a loaded token in the table.
    pub(super) fn slot(&self, id: u32) -> Option<u32> {
        self.slots.get(&id).copied()
    }

    /// Loads missing embeddings; returns whether the buffer was replaced.
    ///
    /// # Errors
    /// [`Error::Model`] for an id outside the vocabulary (then nothing is loaded); [`Error::Device`] if the table becomes larger
    /// than the device can bind.
    pub(super) fn load(&mut self, gpu: &Gpu, ids: impl IntoIterator<Item = u32>) -> Result<bool> {
        let (hidden, vocab) = (self.weights.spec.hidden, self.weights.spec.vocab);
        let mut fresh: Vec<u32> = ids.into_iter().filter(|id| !self.slots.contains_key(id)).collect();
        fresh.sort_unstable();
        fresh.dedup();
        if let Some(&id) = fresh.last().filter(|&&id| id as usize >= vocab) {
            return Err(Error::model(
                format!("token id {id} is not among the {vocab} word embeddings of the encoder"),
                "use the tokenizer.json that belongs to this encoder",
            ));
        }
        let Self { weights, slots, .. } = self;
        let used = slots.len();
        let wanted = used + fresh.len();
        let replaced = wanted > self.capacity;
        if replaced {
            let capacity = wanted.max(2 * self.capacity).min(vocab);
            let buffer = Self::room(gpu, weights, capacity)?;
            let bytes = (used * hidden * size_of::<f32>()) as u64;
            let mut commands = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("table") });
            commands.copy_buffer_to_buffer(&self.buffer, 0, &buffer, 0, bytes);
            gpu.queue.submit([commands.finish()]);
            (self.buffer, self.capacity) = (buffer, capacity);
        }
        if !fresh.is_empty() {
            let rows = fresh.iter().flat_map(|&id| &weights.word[id as usize * hidden..][..hidden]);
            let rows: Vec<f32> = rows.copied().collect();
            let offset = (used * hidden * size_of::<f32>()) as u64;
            gpu.queue.write_buffer(&self.buffer, offset, bytemuck::cast_slice(&rows));
            slots.extend(fresh.into_iter().zip(used as u32..));
        }
        Ok(replaced)
    }
}
