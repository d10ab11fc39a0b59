// out = epilogue(a w^T) with w [N, K], or epilogue(a w) with w [K, N]: one copy of a weight serves the forward pass and the
// input gradient. Register tiles of 4x4 blocks; M is the number of rows, and all sizes may be ragged.
//
// Three parts are chosen by src/engine/wgsl/matmul.rs:
// * operands: how a and w are read and out is written, four values at a time (vector; texture: w from a texture) or one by one
//   (scalar)
// * tile: where the values of a tile come from, workgroup memory (staged) or straight from the operands (direct)
// * epilogue: which way round w is (TRANSPOSED: [N, K]), and what happens to the values before they are stored
// and five numbers: THREADS_X x THREADS_Y threads, each with BLOCK_ROWS x BLOCK_COLUMNS blocks, and STAGE, the
// quads of K in a stage. Which adapter wants which tile, and why: README.md.
#include "lib/batch.wgsl"

struct Params {
  // Columns N of out.
  n: u32,
  // Columns K of a.
  k: u32,
  pad0: u32,
  pad1: u32,
}
@group(1) @binding(0) var<uniform> params: Params;

const TILE_ROWS: u32 = 4u * BLOCK_ROWS * THREADS_Y;
const TILE_COLUMNS: u32 = 4u * BLOCK_COLUMNS * THREADS_X;

// Block (i, j) of a thread is at [BLOCK_COLUMNS i + j]: one column of the matrix is one row of the block. Only constants index
// it, so that every compiler keeps it in registers.
alias Blocks = array<mat4x4<f32>, BLOCK_ROWS * BLOCK_COLUMNS>;

// Rows M of a and out.
fn row_count() -> u32 {
  return batch.rows;
}

#include <epilogue>
#include <operands>
// a w for one block. The columns of `a` are rows of a, four values of K each; those of `w` are columns of w [N, K] with four
// values of K each, or rows of w [K, N] with four columns each.
fn product(a: mat4x4<f32>, w: mat4x4<f32>) -> mat4x4<f32> {
  if (TRANSPOSED) {
    return mat4x4<f32>(a[0] * w, a[1] * w, a[2] * w, a[3] * w);
  }
  return w * a;
}

#include <tile>

fn store_block(row: u32, column: u32, block: mat4x4<f32>) {
  store_row(row, column, block[0]);
  store_row(row + ROW_STEP, column, block[1]);
  store_row(row + 2u * ROW_STEP, column, block[2]);
  store_row(row + 3u * ROW_STEP, column, block[3]);
}

// One workgroup makes one tile of out. Consecutive workgroups share their rows of a.
@compute @workgroup_size(THREADS_X, THREADS_Y)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_id) thread: vec3<u32>,
) {
  let number = workgroup_number(group, groups);
  let tiles = (params.n + TILE_COLUMNS - 1u) / TILE_COLUMNS;
  let row0 = number / tiles * TILE_ROWS;
  let column0 = number % tiles * TILE_COLUMNS;
  if (row0 >= row_count()) {
    return;
  }
  var sums: Blocks;
  accumulate(&sums, row0, column0, thread.xy);

  let row = row0 + thread.y * ROW_PITCH;
  let column = column0 + thread.x * COLUMN_PITCH;
#for $i < BLOCK_ROWS
#for $j < BLOCK_COLUMNS
  store_block(row + $iu * 4u * ROW_STEP, column + $ju * COLUMN_BLOCK, sums[$iu * BLOCK_COLUMNS + $ju]);
#end
#end
}
