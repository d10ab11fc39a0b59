//! [`StateCache`]: hidden states of examples in buffers of the device, up to a number of bytes.

use std::collections::HashMap;
use std::sync::Mutex;

use super::device::{Gpu, lock};

/// Hidden states of a run's examples after a number of layers, cached on the device. Entries are never removed.
#[derive(Debug)]
pub struct StateCache {
    state: Mutex<CacheState>,
}

#[derive(Debug)]
struct CacheState {
    /// Bytes that may still be allocated.
    budget: u64,
    chunks: Vec<wgpu::Buffer>,
    /// Used bytes of the last chunk.
    used: u64,
    /// Chunk, first byte and number of bytes, by the example's key.
    entries: HashMap<u32, (usize, u64, u64)>,
}

/// Size in bytes of a buffer for the states of several examples.
const CHUNK: u64 = 16 << 20;

impl StateCache {
    /// An empty cache with at most `budget` bytes.
    pub(super) fn new(budget: u64) -> Self {
        Self { state: Mutex::new(CacheState { budget, chunks: Vec::new(), used: 0, entries: HashMap::new() }) }
    }

    /// Number of cached examples.
    #[must_use]
    pub fn examples(&self) -> usize {
        lock(&self.state).entries.len()
    }

    /// Allocated bytes on the device.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        lock(&self.state).chunks.iter().map(wgpu::Buffer::size).sum()
    }

    /// Where the states of an example are cached, if they have this number of bytes.
    pub(in crate::engine) fn find(&self, key: u32, bytes: u64) -> Option<(wgpu::Buffer, u64)> {
        let state = lock(&self.state);
        let &(chunk, offset, len) = state.entries.get(&key)?;
        (len == bytes).then(|| (state.chunks[chunk].clone(), offset))
    }

    /// Reserves a place for the states of an example; they have to be copied there before the device looks them up. `None` if the
    /// budget is used up, or the example is already cached.
    pub(super) fn allocate(&self, gpu: &Gpu, key: u32, bytes: u64) -> Option<(wgpu::Buffer, u64)> {
        let state = &mut *lock(&self.state);
        if state.entries.contains_key(&key) {
            return None;
        }
        if state.chunks.last().is_none_or(|chunk| chunk.size() < state.used + bytes) {
            // Buffers consist of whole vectors, as rows do.
            let size = (CHUNK.min(state.budget) / 16 * 16).max(bytes);
            if size > state.budget {
                return None;
            }
            // If the device is out of memory, enough has been cached.
            state.chunks.push(gpu.storage("hidden states", size).ok()?);
            state.budget -= size;
            state.used = 0;
        }
        let entry = (state.chunks.len() - 1, state.used, bytes);
        state.used += bytes;
        state.entries.insert(key, entry);
        state.chunks.last().map(|chunk| (chunk.clone(), entry.1))
    }
}
