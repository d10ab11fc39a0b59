// scores[f]: the sum over the examples of the mean over an example's rows of the absolute activation of neuron f.
#include "lib/batch.wgsl"

struct Params {
  // Neurons F.
  columns: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(0) var<storage, read> offsets: array<u32>;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;
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
  var score = 0.0;
  for (var example = 0u; example < batch.examples; example++) {
    let start = offsets[example];
    let end = offsets[example + 1u];
    var sum = 0.0;
    for (var row = start; row < end; row++) {
      sum += abs(g[row * params.columns + column]);
    }
    score += sum / f32(end - start);
  }
  scores[column] = score;
}
