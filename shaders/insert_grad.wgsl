// d_prompt[p]: the gradients of row p of every example where it was inserted, summed in the order of the examples; of one
// example, where each has prompt rows of its own. They come in two parts, along the residual and through the layer's product.
#include "lib/batch.wgsl"

struct Params {
  // Hidden size D.
  columns: u32,
  // 1: every example has prompt rows of its own, [B P, D]. 0: all share them, [P, D].
  per_example: u32,
  pad0: u32,
  pad1: u32,
}

@group(0) @binding(0) var<storage, read> offsets: array<u32>;
@group(0) @binding(1) var<storage, read> d_residual: array<f32>;
@group(0) @binding(2) var<storage, read> d_product: array<f32>;
@group(0) @binding(3) var<storage, read_write> d_prompt: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

// One thread makes one value.
@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_number(group, groups) * 64u + lane;
  let made = index / params.columns;
  let column = index % params.columns;
  var examples = vec2<u32>(0u, batch.examples);
  var row = made;
  if (params.per_example == 1u) {
    examples = vec2<u32>(made / batch.prompt, made / batch.prompt + 1u);
    row = made % batch.prompt;
  }
  // Without prompt rows there is no workgroup, so that the division above is one.
  if (row >= batch.prompt || examples.y > batch.examples) {
    return;
  }
  var sum = 0.0;
  for (var example = examples.x; example < examples.y; example++) {
    let residual = d_residual[(offsets[example] + row) * params.columns + column];
    sum += residual + d_product[(example * batch.prompt + row) * params.columns + column];
  }
  d_prompt[index] = sum;
}
