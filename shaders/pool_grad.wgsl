// d_h[t]: of the gradient of its example an equal share, or all of it for the one row that was taken.
#include "lib/batch.wgsl"
#include "lib/rows.wgsl"

struct Params {
  // Hidden size D.
  columns: u32,
  // 1: the mean. 0: the row below.
  mean: u32,
  // Row of the example, counted from its first.
  row: u32,
  pad: u32,
}

@group(0) @binding(0) var<storage, read> rows: array<RowInfo>;
@group(0) @binding(1) var<storage, read> d_pooled: array<f32>;
@group(0) @binding(2) var<storage, read_write> d_h: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

// One thread makes one value.
@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_number(group, groups) * 64u + lane;
  if (index >= batch.rows * params.columns) {
    return;
  }
  let row = index / params.columns;
  let column = index % params.columns;
  let info = rows[row];
  var share = 0.0;
  if (params.mean == 1u) {
    share = 1.0 / f32(info.end - info.start);
  } else if (row == info.start + params.row) {
    share = 1.0;
  }
  d_h[index] = share * d_pooled[info.example * params.columns + column];
}
