// d_h[t]: of the gradient of its example an equal share for each row that was pooled.
#include "lib/batch.wgsl"
#include "lib/rows.wgsl"

struct Params {
  // Hidden size D.
  columns: u32,
  // 1: the mean of the rows from the one below on. 0: that row.
  mean: u32,
  // Row of the example, counted from its first. The host has checked that every example has it.
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
  let first = info.start + params.row;
  var share = 0.0;
  if (params.mean == 1u && row >= first) {
    share = 1.0 / f32(info.end - first);
  } else if (row == first) {
    share = 1.0;
  }
  d_h[index] = share * d_pooled[info.example * params.columns + column];
}
