// Gradient of one layer of the prefix: of its keys and values the sums over the examples, in their order. What was replaced gets
// none: all three parts of d_qkv become zero in the first P rows of every example.
#include "lib/batch.wgsl"

struct Params {
  // Hidden size D.
  columns: u32,
  // This layer.
  layer: u32,
  // Layers L of the prefix, [P, 2 L D]: k_0 | v_0 | k_1 | v_1 | ..
  layers: u32,
  // 0: d_qkv has all rows, [T, 3 D]. 1: the first P of every example only, [B P, 3 D].
  prompt_only: u32,
}

@group(0) @binding(0) var<storage, read> offsets: array<u32>;
@group(0) @binding(1) var<storage, read_write> d_qkv: array<f32>;
@group(0) @binding(2) var<storage, read_write> d_prefix: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

// One thread makes one value of d_prefix, or clears one column of the queries.
@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_number(group, groups) * 64u + lane;
  let width = 3u * params.columns;
  let row = index / width;
  let column = index % width;
  if (row >= batch.prompt) {
    return;
  }
  var sum = 0.0;
  for (var example = 0u; example < batch.examples; example++) {
    var packed = offsets[example] + row;
    if (params.prompt_only == 1u) {
      packed = example * batch.prompt + row;
    }
    sum += d_qkv[packed * width + column];
    d_qkv[packed * width + column] = 0.0;
  }
  if (column >= params.columns) {
    d_prefix[(row * params.layers + params.layer) * 2u * params.columns + column - params.columns] = sum;
  }
}
