// pooled[b]: the mean of the rows of an example (prompt rows too) from one on, or one of them.
#include "lib/batch.wgsl"

struct Params {
  // Hidden size D.
  columns: u32,
  // 1: the mean of the rows from the one below on. 0: that row.
  mean: u32,
  // Row of the example, counted from its first. The host has checked that every example has it.
  row: u32,
  pad: u32,
}

@group(0) @binding(0) var<storage, read> offsets: array<u32>;
@group(0) @binding(1) var<storage, read> h: array<f32>;
@group(0) @binding(2) var<storage, read_write> pooled: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

// One thread makes one value.
@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_number(group, groups) * 64u + lane;
  if (index >= batch.examples * params.columns) {
    return;
  }
  let example = index / params.columns;
  let column = index % params.columns;
  let start = offsets[example] + params.row;
  let end = offsets[example + 1u];
  if (params.mean == 1u) {
    var sum = 0.0;
    for (var row = start; row < end; row++) {
      sum += h[row * params.columns + column];
    }
    pooled[index] = sum / f32(end - start);
  } else {
    pooled[index] = h[start * params.columns + column];
  }
}
