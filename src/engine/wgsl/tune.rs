//! Chooses the [`Tile`] of each product with a short measurement on the adapter in use. The choices are remembered in the process
//! and can be serialised. For benchmarks, [`sweep`] is a longer version of the same measurement.

mod measure;

pub use measure::{Rate, SECONDS, copy_bandwidth, sweep};

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::device::{Gpu, lock};
use super::matmul;
use super::tile::{Operands, Source, Tile};
use crate::engine::cpu::matmul::Epilogue;
use crate::model::spec::EncoderSpec;

/// The tile of one product, up to a number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TileChoice {
    /// Whether the weight is `[N, K]` (forward) or `[K, N]` (input gradient).
    pub transposed: bool,
    /// Columns N of the output.
    pub n: u32,
    /// Columns K of the input.
    pub k: u32,
    /// Largest number of rows that it applies to.
    pub rows: u32,
    /// The fastest tile; the default if this product was not measured.
    pub tile: Tile,
}

/// The tiles of an adapter's products.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tiles {
    /// Name and driver of the adapter.
    adapter: String,
    /// The tile of a product that was not measured.
    usual: Tile,
    /// Whether nothing is to be measured.
    fixed: bool,
    choices: Vec<TileChoice>,
}

impl Tiles {
    /// The defaults for this kind of adapter.
    #[must_use]
    pub fn usual(gpu: &Gpu) -> Self {
        Self { fixed: false, ..Self::forced(gpu, Tile::candidates(gpu)[0]) }
    }

    /// The same tile for every product. Given to [`remember`], it applies to every encoder in the process.
    #[must_use]
    pub fn forced(gpu: &Gpu, tile: Tile) -> Self {
        Self { adapter: adapter(gpu), usual: tile, fixed: true, choices: Vec::new() }
    }

    /// The measured tiles.
    #[must_use]
    pub fn choices(&self) -> &[TileChoice] {
        &self.choices
    }

    /// The tile that determines how weights are stored.
    #[must_use]
    pub fn storage(&self) -> Tile {
        self.usual
    }

    /// The tile of a product over `rows` rows.
    #[must_use]
    pub fn tile(&self, epilogue: Epilogue, n: u32, k: u32, rows: u32) -> Tile {
        let wanted = (epilogue.transposed(), n, k);
        let textured = |tile: Tile| tile.source == Source::Texture;
        let measured = self.choices.iter().filter(|choice| (choice.transposed, choice.n, choice.k) == wanted);
        // A weight is stored once, for all of its products.
        let fitting = measured.filter(|choice| rows <= choice.rows && textured(choice.tile) == textured(self.usual));
        fitting.min_by_key(|choice| choice.rows).map_or(self.usual, |choice| choice.tile)
    }

    /// The possible tiles of a product.
    pub(super) fn of(&self, epilogue: Epilogue, n: usize, k: usize) -> Vec<Tile> {
        let rows = self.choices.iter().map(|choice| choice.rows).chain([u32::MAX]);
        let mut tiles: Vec<Tile> = rows.map(|rows| self.tile(epilogue, n as u32, k as u32, rows)).collect();
        tiles.dedup();
        tiles
    }
}

/// Tiles measured in this process, or passed to [`remember`].
static REMEMBERED: Mutex<Vec<Tiles>> = Mutex::new(Vec::new());

/// What has been measured on an adapter so far, for storage.
#[must_use]
pub fn remembered(gpu: &Gpu) -> Option<Tiles> {
    let adapter = adapter(gpu);
    lock(&REMEMBERED).iter().find(|tiles| tiles.adapter == adapter).cloned()
}

/// Takes over measurements of an earlier process; the adapter's products are not measured again.
pub fn remember(tiles: Tiles) {
    let mut remembered = lock(&REMEMBERED);
    remembered.retain(|known| known.adapter != tiles.adapter);
    remembered.push(tiles);
}

/// An adapter and its driver; measurements are specific to both.
pub(in crate::engine) fn adapter(gpu: &Gpu) -> String {
    format!("{}, {} {}", gpu.name(), gpu.info.driver, gpu.info.driver_info)
}

/// The tiles of an encoder's products; missing ones are measured now, within [`SECONDS`]. If a measurement fails, is not clear or
/// is skipped, the default of this kind of adapter remains.
pub async fn tiles(gpu: &Gpu, spec: &EncoderSpec) -> Tiles {
    let mut tiles = remembered(gpu).unwrap_or_else(|| Tiles::usual(gpu));
    if tiles.fixed {
        return tiles;
    }
    let mut missing: Vec<(bool, u32, u32)> = Vec::new();
    for (epilogue, n, k) in matmul::products(spec) {
        let shape = (epilogue.transposed(), n as u32, k as u32);
        let known = tiles.choices.iter().any(|choice| (choice.transposed, choice.n, choice.k) == shape);
        let vector = tiles.usual.operands(n, k) != Operands::Scalar;
        if !known && vector && n * k >= WORTHWHILE && !missing.contains(&shape) {
            missing.push(shape);
        }
    }
    if missing.is_empty() {
        return tiles;
    }
    // Results before an error remain valid.
    let mut found = Vec::new();
    if let Err(error) = measure::measure(gpu, &missing, &mut found).await {
        log::warn!("the measurement of tiles was aborted: {error}");
    }
    // Products that did not fit into the time are not measured later: the next encoder of this process gets the same tiles.
    for &(transposed, n, k) in &missing {
        if !found.iter().any(|choice| (choice.transposed, choice.n, choice.k) == (transposed, n, k)) {
            found.push(TileChoice { transposed, n, k, rows: u32::MAX, tile: tiles.usual });
        }
    }
    tiles.choices.extend(&found);
    let mut remembered = lock(&REMEMBERED);
    match remembered.iter_mut().find(|known| known.adapter == tiles.adapter) {
        // Another encoder may have been measured in the meantime.
        Some(known) => known.choices.extend(&found),
        None => remembered.push(tiles.clone()),
    }
    tiles
}

/// Products with a smaller weight are not measured.
const WORTHWHILE: usize = 128 * 128;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_found_by_shape_and_rows() {
        let choice = |transposed, rows, tile| TileChoice { transposed, n: 8, k: 4, rows, tile };
        let choices = vec![
            choice(true, u32::MAX, Tile::STAGED_128X128),
            choice(true, 512, Tile::STAGED_32X32),
            choice(false, 512, Tile::TEXTURE_8),
        ];
        let tiles = Tiles { adapter: "some".to_owned(), usual: Tile::STAGED_64X64, fixed: false, choices };
        assert_eq!(tiles.tile(Epilogue::Bias, 8, 4, 512), Tile::STAGED_32X32);
        assert_eq!(tiles.tile(Epilogue::BiasGelu, 8, 4, 513), Tile::STAGED_128X128);
        assert_eq!(tiles.tile(Epilogue::Bias, 8, 8, 1), Tile::STAGED_64X64);
        // The other weights of this adapter are in buffers.
        assert_eq!(tiles.tile(Epilogue::Plain, 8, 4, 1), Tile::STAGED_64X64);
        assert_eq!(tiles.of(Epilogue::Bias, 8, 4), [Tile::STAGED_128X128, Tile::STAGED_32X32, Tile::STAGED_128X128]);
        let text = serde_json::to_string(&tiles).unwrap();
        assert!(text.contains("\"staged 128x128x8 by 8x8\""), "{text}");
        assert_eq!(serde_json::from_str::<Tiles>(&text).unwrap(), tiles);
        assert!(serde_json::from_str::<Tiles>(&text.replace("128x128", "7x7")).is_err());
    }
}
