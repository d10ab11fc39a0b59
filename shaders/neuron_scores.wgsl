// scores[f]: the sum over all rows of the absolute activation of neuron f.
#include "lib/batch.wgsl"

struct Params {
  // Neurons F.
  columns: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(0) var<storage, read> g: array<f32>;
@group(0) @binding(1) var<storage, read_write> scores: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

// One thread makes one score.
@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let column = workgroup_number(group, groups) * 64u + lane;
  if (column >= params.columns) {
    return;
  }
  var sum = 0.0;
  for (var row = 0u; row < batch.rows; row++) {
    sum += abs(g[row * params.columns + column]);
  }
  scores[column] = sum;
}
