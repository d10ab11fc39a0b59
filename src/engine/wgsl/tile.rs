//! [`Tile`]: the tiling of a product, one list of shapes for all adapters. `shaders/README.md` explains the cost of each of them
//! and which adapter it is for.

use serde::{Deserialize, Serialize};

use super::device::Gpu;

/// Where the values of a tile are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Through workgroup memory: for GPUs.
    Staged,
    /// Directly from the buffers: for software GPUs.
    Direct,
    /// The same with the weight in a texture, which software GPUs read four values at a time.
    Texture,
}

/// How a product's operands are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operands {
    /// Four values at a time: N and K are multiples of 4.
    Vector,
    /// One by one.
    Scalar,
    /// Four values at a time, the weight from a texture.
    Texture,
}

/// A tile of a product. It is serialised as its [`Self::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tile {
    /// Where its values are read from.
    pub source: Source,
    /// Threads of a workgroup, across and down.
    pub threads: (u32, u32),
    /// 4x4 blocks of a thread, across and down.
    pub blocks: (u32, u32),
    /// Quads of K per stage; 1 if nothing is staged. All threads load the same number of quads of a stage.
    pub stage: u32,
}

const fn staged(threads: (u32, u32), blocks: (u32, u32), stage: u32) -> Tile {
    Tile { source: Source::Staged, threads, blocks, stage }
}

const fn software(source: Source, rows: u32) -> Tile {
    // The threads are the lanes of the CPU's vectors: 8 on llvmpipe, twice 4 on SwiftShader.
    Tile { source, threads: (8, 1), blocks: (4, rows), stage: 1 }
}

impl Tile {
    /// 32 x 32 x 16, 4 x 4 per thread: for small products.
    pub const STAGED_32X32: Self = staged((8, 8), (1, 1), 4);
    /// 32 x 64 x 16, 4 x 4 per thread.
    pub const STAGED_32X64: Self = staged((16, 8), (1, 1), 4);
    /// 64 x 64 x 16, 4 x 4 per thread.
    pub const STAGED_64X64: Self = staged((16, 16), (1, 1), 4);
    /// 64 x 64 x 16, 8 x 8 per thread.
    pub const STAGED_64X64_WIDE: Self = staged((8, 8), (2, 2), 4);
    /// 128 x 64 x 16, 8 x 8 per thread.
    pub const STAGED_128X64: Self = staged((8, 16), (2, 2), 4);
    /// 128 x 128 x 8, 8 x 8 per thread.
    pub const STAGED_128X128: Self = staged((16, 16), (2, 2), 2);
    /// 8 rows of 128 values, 8 x 16 per thread.
    pub const DIRECT_8: Self = software(Source::Direct, 2);
    /// The same with the weight in a texture.
    pub const TEXTURE_8: Self = software(Source::Texture, 2);
    /// 16 rows of 128 values, 16 x 16 per thread, with the weight in a texture.
    pub const TEXTURE_16: Self = software(Source::Texture, 4);

    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::STAGED_32X32,
        Self::STAGED_32X64,
        Self::STAGED_64X64,
        Self::STAGED_64X64_WIDE,
        Self::STAGED_128X64,
        Self::STAGED_128X128,
        Self::DIRECT_8,
        Self::TEXTURE_8,
        Self::TEXTURE_16,
    ];

    /// The suitable tiles for an adapter; the default without a measurement is the first.
    #[must_use]
    pub fn candidates(gpu: &Gpu) -> &'static [Self] {
        if gpu.is_software() {
            &[Self::TEXTURE_16, Self::TEXTURE_8]
        } else {
            &[
                Self::STAGED_64X64_WIDE,
                Self::STAGED_128X64,
                Self::STAGED_64X64,
                Self::STAGED_128X128,
                Self::STAGED_32X64,
                Self::STAGED_32X32,
            ]
        }
    }

    /// Rows of `out`.
    #[must_use]
    pub const fn rows(self) -> u32 {
        4 * self.blocks.1 * self.threads.1
    }

    /// Columns of `out`.
    #[must_use]
    pub const fn columns(self) -> u32 {
        4 * self.blocks.0 * self.threads.0
    }

    /// Its name, such as `staged 64x64x16 by 8x8`: rows, columns and depth of the tile, rows and columns per thread.
    #[must_use]
    pub fn name(self) -> String {
        let source = match self.source {
            Source::Staged => "staged",
            Source::Direct => "direct",
            Source::Texture => "texture",
        };
        let (rows, columns, depth) = (self.rows(), self.columns(), 4 * self.stage);
        format!("{source} {rows}x{columns}x{depth} by {}x{}", 4 * self.blocks.1, 4 * self.blocks.0)
    }

    /// How this tile reads a product with N columns and sums over K. The same for both products of a weight, which swap N and K.
    #[must_use]
    pub fn operands(self, n: usize, k: usize) -> Operands {
        if !n.is_multiple_of(4) || !k.is_multiple_of(4) {
            Operands::Scalar
        } else if self.source == Source::Texture && n.max(k) <= LARGEST_TEXTURE {
            Operands::Texture
        } else {
            Operands::Vector
        }
    }

    /// The tile that replaces this one for a product that cannot read its weight from a texture.
    #[must_use]
    pub fn reading(self, operands: Operands) -> Self {
        if self.source == Source::Texture && operands != Operands::Texture { Self::DIRECT_8 } else { self }
    }
}

/// Maximum width and height of a texture, in WebGPU's default limits.
const LARGEST_TEXTURE: usize = 8192;

impl From<Tile> for String {
    fn from(tile: Tile) -> Self {
        tile.name()
    }
}

impl TryFrom<String> for Tile {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::ALL.into_iter().find(|tile| tile.name() == name).ok_or_else(|| format!("there is no tile {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each tile's shape, worked out twice; the names tell them apart.
    #[test]
    fn tiles_have_their_sizes_and_names() {
        let sizes = Tile::ALL.map(|tile| (tile.rows(), tile.columns()));
        let staged = [(32, 32), (32, 64), (64, 64), (64, 64), (128, 64), (128, 128)];
        assert_eq!(sizes[..6], staged);
        assert_eq!(sizes[6..], [(8, 128), (8, 128), (16, 128)]);
        for tile in Tile::ALL {
            assert_eq!(Tile::try_from(tile.name()), Ok(tile));
        }
        assert!(Tile::try_from("staged 1x1x4 by 1x1".to_owned()).is_err());
    }

    /// The shader has no loop for a part of a stage.
    #[test]
    fn the_threads_share_a_stage_evenly() {
        for tile in Tile::ALL.into_iter().filter(|tile| tile.source == Source::Staged) {
            let threads = tile.threads.0 * tile.threads.1;
            for side in [tile.rows(), tile.columns()] {
                assert!((tile.stage * side).is_multiple_of(threads), "{tile:?}");
            }
        }
    }

    /// Both products of a weight read it the same way.
    #[test]
    fn operands_do_not_depend_on_the_direction() {
        for tile in Tile::ALL {
            for (n, k) in [(384, 1536), (384, 50), (7, 8), (8196, 4), (8192, 4)] {
                assert_eq!(tile.operands(n, k), tile.operands(k, n));
            }
        }
        assert_eq!(Tile::TEXTURE_8.operands(8196, 4), Operands::Vector);
        assert_eq!(Tile::TEXTURE_8.reading(Operands::Vector), Tile::DIRECT_8);
    }
}
