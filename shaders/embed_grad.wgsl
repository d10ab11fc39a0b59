// d_prompt[p]: the gradients of row p of every example, summed in the order of the examples, through the norm of the
// embeddings. They come in two parts, along the residual and through the first layer's product, or whole. The norm's input,
// prompt[p] + position[p], is the same in every example, so that summing first is exact. Where every example has prompt rows of
// its own, nothing is summed.
#include "lib/batch.wgsl"
#include "lib/reduce.wgsl"

struct Params {
  // Hidden size D.
  columns: u32,
  // Epsilon of the norm.
  eps: f32,
  // 1: every example has prompt rows of its own, [B P, D]. 0: all share them, [P, D].
  per_example: u32,
  // 1: d_residual is the whole gradient, and d_product is not read.
  whole: u32,
}

@group(0) @binding(0) var<storage, read> offsets: array<u32>;
@group(0) @binding(1) var<storage, read> d_residual: array<f32>;
@group(0) @binding(2) var<storage, read> d_product: array<f32>;
@group(0) @binding(3) var<storage, read> prompt: array<f32>;
@group(0) @binding(4) var<storage, read> position: array<f32>;
@group(0) @binding(5) var<storage, read> gamma: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_prompt: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

fn gradient(example: u32, row: u32, column: u32) -> f32 {
  let residual = d_residual[(offsets[example] + row) * params.columns + column];
  if (params.whole == 1u) {
    return residual;
  }
  return residual + d_product[(example * batch.prompt + row) * params.columns + column];
}

// One workgroup makes one row of d_prompt. A thread keeps the summed gradient of its columns in d_prompt, where only it reads
// and writes them.
@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let made = workgroup_number(group, groups);
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
  let size = f32(params.columns);
  let base = made * params.columns;
  let place = row * params.columns;
  var sum = 0.0;
  for (var c = lane; c < params.columns; c += LANES) {
    sum += prompt[base + c] + position[place + c];
    var d_y = 0.0;
    for (var example = examples.x; example < examples.y; example++) {
      d_y += gradient(example, row, c);
    }
    d_prompt[base + c] = d_y * gamma[c];
  }
  let mean = workgroup_sums(lane, vec2<f32>(sum, 0.0)).x / size;
  var squares = 0.0;
  for (var c = lane; c < params.columns; c += LANES) {
    let centred = prompt[base + c] + position[place + c] - mean;
    squares += centred * centred;
  }
  let variance = workgroup_sums(lane, vec2<f32>(squares, 0.0)).x / size;
  let rstd = 1.0 / sqrt(variance + params.eps);
  var sums = vec2<f32>(0.0);
  for (var c = lane; c < params.columns; c += LANES) {
    let g = d_prompt[base + c];
    let normal = (prompt[base + c] + position[place + c] - mean) * rstd;
    sums += vec2<f32>(g, g * normal);
  }
  let means = workgroup_sums(lane, sums) / size;
  for (var c = lane; c < params.columns; c += LANES) {
    let normal = (prompt[base + c] + position[place + c] - mean) * rstd;
    d_prompt[base + c] = rstd * (d_prompt[base + c] - means.x - normal * means.y);
  }
}
