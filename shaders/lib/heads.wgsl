// Attention heads as whole vectors of four. The host says QUADS, their number in a head, and how rows are shared out: in blocks
// of LANES * ROWS rows of one example, ROWS a thread.
alias Head = array<vec4<f32>, QUADS>;

struct Params {
  // Heads H; the hidden size D is H * 4 QUADS.
  heads: u32,
  // 1 / sqrt(4 QUADS).
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

// The same third of four rows from `row` on; past the last one, the last one again.
fn thirds_at(row: u32, last: u32, third: u32, head: u32) -> vec4<u32> {
  return vec4<u32>(
    third_at(row, third, head),
    third_at(min(row + 1u, last), third, head),
    third_at(min(row + 2u, last), third, head),
    third_at(min(row + 3u, last), third, head),
  );
}
