//! Which [`Tile`] each product takes, by a short measurement on the adapter at hand: remembered for the process, and
//! serialisable for whoever wants to keep it. And the same measurement at length, for benchmarks: [`sweep`].

mod measure;

pub use measure::{Rate, SECONDS, copy_bandwidth, sweep};

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::device::{Gpu, lock};
use super::matmul;
use super::tile::{Operands, Source, Tile};
use crate::engine::cpu::matmul::Epilogue;
use crate::model::spec::EncoderSpec;

/// The tile of one product, for so many rows at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TileChoice {
    /// Whether the weight is `[N, K]` (forward) or `[K, N]` (input gradient).
    pub transposed: bool,
    /// Columns N of the output.
    pub n: u32,
    /// Columns K of the input.
    pub k: u32,
    /// Largest number of rows that it is for.
    pub rows: u32,
    /// The fastest tile; the usual one where the measurement did not come to this product.
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
    /// What an adapter of this kind takes without a measurement.
    #[must_use]
    pub fn usual(gpu: &Gpu) -> Self {
        Self { fixed: false, ..Self::forced(gpu, Tile::candidates(gpu)[0]) }
    }

    /// One tile for every product, whatever is faster. Given to [`remember`], it is taken by every encoder of the process.
    #[must_use]
    pub fn forced(gpu: &Gpu, tile: Tile) -> Self {
        Self { adapter: adapter(gpu), usual: tile, fixed: true, choices: Vec::new() }
    }

    /// The measured tiles.
    #[must_use]
    pub fn choices(&self) -> &[TileChoice] {
        &self.choices
    }

    /// The tile that decides how weights are stored.
    #[must_use]
    pub fn storage(&self) -> Tile {
        self.usual
    }

    /// The tile of a product over so many rows.
    #[must_use]
    pub fn tile(&self, epilogue: Epilogue, n: u32, k: u32, rows: u32) -> Tile {
        let wanted = (epilogue.transposed(), n, k);
        let textured = |tile: Tile| tile.source == Source::Texture;
        let measured = self.choices.iter().filter(|choice| (choice.transposed, choice.n, choice.k) == wanted);
        // A weight is stored once, for all of its products.
        let fitting = measured.filter(|choice| rows <= choice.rows && textured(choice.tile) == textured(self.usual));
        fitting.min_by_key(|choice| choice.rows).map_or(self.usual, |choice| choice.tile)
    }

    /// The tiles that a product may take.
    pub(super) fn of(&self, epilogue: Epilogue, n: usize, k: usize) -> Vec<Tile> {
        let rows = self.choices.iter().map(|choice| choice.rows).chain([u32::MAX]);
        let mut tiles: Vec<Tile> = rows.map(|rows| self.tile(epilogue, n as u32, k as u32, rows)).collect();
        tiles.dedup();
        tiles
    }
}

/// Measured in this process, or given to [`remember`].
static REMEMBERED: Mutex<Vec<Tiles>> = Mutex::new(Vec::new());

/// What was measured on an adapter so far, to be stored.
#[must_use]
pub fn remembered(gpu: &Gpu) -> Option<Tiles> {
    let adapter = adapter(gpu);
    lock(&REMEMBERED).iter().find(|tiles| tiles.adapter == adapter).cloned()
}

/// Takes over what an earlier process measured; its adapter's products are not measured again.
pub fn remember(tiles: Tiles) {
    let mut remembered = lock(&REMEMBERED);
    remembered.retain(|known| known.adapter != tiles.adapter);
    remembered.push(tiles);
}

/// An adapter and its driver: another driver, another measurement.
pub(in crate::engine) fn adapter(gpu: &Gpu) -> String {
    format!("{}, {} {}", gpu.name(), gpu.info.driver, gpu.info.driver_info)
}

/// The tiles for an encoder's products; those that nobody has measured yet are, within [`SECONDS`]. A measurement that
/// fails, comes to no clear result or does not happen leaves the usual tile of adapters of this kind.
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
    // What was found before an error holds.
    let mut found = Vec::new();
    if let Err(error) = measure::measure(gpu, &missing, &mut found).await {
        log::warn!("the measurement of tiles was broken off: {error}");
    }
    // What time did not allow is not tried again: the next encoder of this process gets the same tiles.
    for &(transposed, n, k) in &missing {
        if !found.iter().any(|choice| (choice.transposed, choice.n, choice.k) == (transposed, n, k)) {
            found.push(TileChoice { transposed, n, k, rows: u32::MAX, tile: tiles.usual });
        }
    }
    tiles.choices.extend(&found);
    let mut remembered = lock(&REMEMBERED);
    match remembered.iter_mut().find(|known| known.adapter == tiles.adapter) {
        // Another encoder may have been measured meanwhile.
        Some(known) => known.choices.extend(&found),
        None => remembered.push(tiles.clone()),
    }
    tiles
}

/// Products with a smaller weight are not worth a measurement.
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
