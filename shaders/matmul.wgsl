// out = epilogue(a w^T) with w [N, K], or epilogue(a w) with w [K, N]: one copy of a weight serves the forward pass and the
// input gradient. Register tiles of 4x4 blocks; M is the number of packed rows, and all sizes may be ragged.
//
// Three parts are chosen by src/engine/wgsl/matmul.rs:
// * operands: how a and w are read, four values at a time (vector) or one by one (scalar)
// * tile: where the values of a tile come from, workgroup memory (staged) or straight from the buffers (direct)
// * epilogue: which way round w is (TRANSPOSED: [N, K]), and what happens to a value before it is stored
// and four numbers: THREADS_X x THREADS_Y threads, each with BLOCK_ROWS x BLOCK_COLUMNS (at most 2 x 4) blocks.
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

// Block (i, j) of a thread is at [4 i + j]: one column of the matrix is one row of the block. Only constants index it, so that
// every compiler keeps it in registers; blocks that a tile does not have cost nothing.
alias Blocks = array<mat4x4<f32>, 8>;

#include <epilogue>
#include <operands>

// sums + a w for one block: rows of the block from rows of a (four values of K), columns from w (w[i]: value i of K).
fn multiply_add(sums: mat4x4<f32>, a: mat4x4<f32>, w: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4<f32>(
    sums[0] + w[0] * a[0].x + w[1] * a[0].y + w[2] * a[0].z + w[3] * a[0].w,
    sums[1] + w[0] * a[1].x + w[1] * a[1].y + w[2] * a[1].z + w[3] * a[1].w,
    sums[2] + w[0] * a[2].x + w[1] * a[2].y + w[2] * a[2].z + w[3] * a[2].w,
    sums[3] + w[0] * a[3].x + w[1] * a[3].y + w[2] * a[3].z + w[3] * a[3].w,
  );
}

#include <tile>

fn store_row(row: u32, column: u32, values: vec4<f32>) {
  if (row >= batch.rows) {
    return;
  }
  if (column < params.n) {
    finish(row, column, values.x);
  }
  if (column + COLUMN_STEP < params.n) {
    finish(row, column + COLUMN_STEP, values.y);
  }
  if (column + 2u * COLUMN_STEP < params.n) {
    finish(row, column + 2u * COLUMN_STEP, values.z);
  }
  if (column + 3u * COLUMN_STEP < params.n) {
    finish(row, column + 3u * COLUMN_STEP, values.w);
  }
}

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
  if (row0 >= batch.rows) {
    return;
  }
  var sums: Blocks;
  accumulate(&sums, row0, column0, thread.xy);

  let row = row0 + thread.y * ROW_PITCH;
  let column = column0 + thread.x * COLUMN_PITCH;
  store_block(row, column, sums[0]);
  if (BLOCK_COLUMNS > 1u) {
    store_block(row, column + 4u * COLUMN_STEP, sums[1]);
  }
  if (BLOCK_COLUMNS > 2u) {
    store_block(row, column + 8u * COLUMN_STEP, sums[2]);
    store_block(row, column + 12u * COLUMN_STEP, sums[3]);
  }
  if (BLOCK_ROWS > 1u) {
    store_block(row + 4u * ROW_STEP, column, sums[4]);
    if (BLOCK_COLUMNS > 1u) {
      store_block(row + 4u * ROW_STEP, column + 4u * COLUMN_STEP, sums[5]);
    }
    if (BLOCK_COLUMNS > 2u) {
      store_block(row + 4u * ROW_STEP, column + 8u * COLUMN_STEP, sums[6]);
      store_block(row + 4u * ROW_STEP, column + 12u * COLUMN_STEP, sums[7]);
    }
  }
}
