// Attention heads as whole vectors of four. The host says HEAD_SIZE, a multiple of 4.
const QUADS: u32 = HEAD_SIZE / 4u;
alias Head = array<vec4<f32>, QUADS>;

struct Params {
  // Heads H; the hidden size D is H * HEAD_SIZE.
  heads: u32,
  // 1 / sqrt(HEAD_SIZE).
  scale: f32,
  // Gradients: 0 for d_qkv of all rows, [T, 3 D]; 1 of the prompt rows only, [B P, 3 D].
  prompt_only: u32,
  pad: u32,
}
@group(1) @binding(0) var<uniform> params: Params;

// First quad of a head in a [T, D] matrix.
fn head_at(row: u32, head: u32) -> u32 {
  return (row * params.heads + head) * QUADS;
}

// First quad of a head's query (third 0), key (1) or value (2) in a [T, 3 D] matrix.
fn third_at(row: u32, third: u32, head: u32) -> u32 {
  return ((3u * row + third) * params.heads + head) * QUADS;
}
