//! The engine on wgpu: browser WebGPU, Vulkan, Metal, DX12.
//!
//! ```text
//! shaders/NAME.wgsl -> source (includes) -> pipelines (compiled, checked) ->
//!   NAME::step (bindings, parameters) -> arena (buffers, steps recorded once) -> encoder (replays them)
//! ```
//!
//! A kernel has the same name in four places: `shaders/NAME.wgsl`, `wgsl/NAME.rs` (pipeline and launch), `cpu/NAME.rs` (its twin)
//! and its label. This module does not use burn: the code that adds the encoder to burn's graph copies rows to and from the
//! encoder's own buffers.

mod arena;
pub mod attention;
pub mod attention_grad_key;
pub mod attention_grad_query;
mod batch_buffers;
pub mod cache;
pub mod device;
pub mod embed;
pub mod embed_grad;
pub mod encoder;
pub mod insert;
pub mod insert_grad;
pub mod kernel;
mod layer;
pub mod layer_norm;
pub mod layer_norm_grad;
pub mod matmul;
pub mod neuron_scores;
mod parts;
pub mod pipelines;
pub mod pool;
pub mod pool_grad;
pub mod prefix;
pub mod prefix_grad;
pub mod profile;
pub mod recorder;
pub mod self_test;
pub mod source;
pub mod states;
pub mod tile;
mod track;
pub mod tune;
pub mod update_grad;
pub mod weights;
