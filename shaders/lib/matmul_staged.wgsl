// Tiles through workgroup memory, for GPUs: each value is read from the operands once a workgroup. While a stage is
// computed, the values of the next one are on their way into registers.

// A thread's rows are THREADS_Y apart, its columns neighbours in fours; its next block of columns is 4 THREADS_X away.
const ROW_PITCH: u32 = 1u;
const ROW_STEP: u32 = THREADS_Y;
const COLUMN_PITCH: u32 = 4u;
const COLUMN_BLOCK: u32 = 4u * THREADS_X;

const THREADS: u32 = THREADS_X * THREADS_Y;
// What one thread loads of a stage, in quads.
const A_SHARE: u32 = STAGE * TILE_ROWS / THREADS;
const W_SHARE: u32 = STAGE * TILE_COLUMNS / THREADS;
const COLUMN_QUADS: u32 = TILE_COLUMNS / 4u;
// One more than needed keeps threads that write different rows of a tile off the same bank.
const A_PITCH: u32 = TILE_ROWS + 1u;
const W_PITCH: u32 = TILE_COLUMNS + 1u;
const W_ROW_PITCH: u32 = COLUMN_QUADS + 1u;

// [quad][row]: four values of K each.
var<workgroup> a_tile: array<vec4<f32>, STAGE * A_PITCH>;
// w [N, K]: [quad][column], four values of K each; first all columns 4 c, then all 4 c + 1 and so on, so that neighbouring
// threads read neighbouring quads. w [K, N]: [k][quad of columns], four columns each.
var<workgroup> w_tile: array<vec4<f32>, STAGE * (TILE_COLUMNS + 4u)>;

// Share i of this thread in a stage of a: [row][quad] in order.
fn fetch_a(i: u32, row0: u32, quad0: u32, quads: u32) -> vec4<f32> {
  let quad = quad0 + i % STAGE;
  if (quad >= quads) {
    return vec4<f32>(0.0);
  }
  return load_a(a_begin(row0 + i / STAGE), quad);
}

fn fetch_w(i: u32, column0: u32, quad0: u32, quads: u32) -> vec4<f32> {
  if (TRANSPOSED) {
    let quad = quad0 + i % STAGE;
    if (quad >= quads) {
      return vec4<f32>(0.0);
    }
    return load_w_column(w_begin(column0 + i / STAGE), quad);
  }
  let k = 4u * quad0 + i / COLUMN_QUADS;
  if (k >= 4u * quads) {
    return vec4<f32>(0.0);
  }
  return load_w_row(w_begin(column0 + 4u * (i % COLUMN_QUADS)), k);
}

fn w_place(i: u32) -> u32 {
  if (TRANSPOSED) {
    let column = i / STAGE;
    return i % STAGE * W_PITCH + column % 4u * COLUMN_QUADS + column / 4u;
  }
  return i / COLUMN_QUADS * W_ROW_PITCH + i % COLUMN_QUADS;
}

fn a_block(at: u32) -> mat4x4<f32> {
  return mat4x4<f32>(a_tile[at], a_tile[at + ROW_STEP], a_tile[at + 2u * ROW_STEP], a_tile[at + 3u * ROW_STEP]);
}

// Four columns of w and four values of K, as `product` takes them.
fn w_block(quad: u32, at: u32) -> mat4x4<f32> {
  if (TRANSPOSED) {
    let i = quad * W_PITCH + at;
    return mat4x4<f32>(w_tile[i], w_tile[i + COLUMN_QUADS], w_tile[i + 2u * COLUMN_QUADS], w_tile[i + 3u * COLUMN_QUADS]);
  }
  let i = 4u * quad * W_ROW_PITCH + at;
  return mat4x4<f32>(w_tile[i], w_tile[i + W_ROW_PITCH], w_tile[i + 2u * W_ROW_PITCH], w_tile[i + 3u * W_ROW_PITCH]);
}

fn accumulate(sums: ptr<function, Blocks>, row0: u32, column0: u32, thread: vec2<u32>) {
  let lane = thread.y * THREADS_X + thread.x;
  let quads = (params.k + 3u) / 4u;
  var a_next: array<vec4<f32>, A_SHARE>;
  var w_next: array<vec4<f32>, W_SHARE>;
  for (var i = 0u; i < A_SHARE; i++) {
    a_next[i] = fetch_a(lane + i * THREADS, row0, 0u, quads);
  }
  for (var i = 0u; i < W_SHARE; i++) {
    w_next[i] = fetch_w(lane + i * THREADS, column0, 0u, quads);
  }
  for (var quad0 = 0u; quad0 < quads; quad0 += STAGE) {
    for (var i = 0u; i < A_SHARE; i++) {
      let share = lane + i * THREADS;
      a_tile[share % STAGE * A_PITCH + share / STAGE] = a_next[i];
    }
    for (var i = 0u; i < W_SHARE; i++) {
      w_tile[w_place(lane + i * THREADS)] = w_next[i];
    }
    workgroupBarrier();
    if (quad0 + STAGE < quads) {
      for (var i = 0u; i < A_SHARE; i++) {
        a_next[i] = fetch_a(lane + i * THREADS, row0, quad0 + STAGE, quads);
      }
      for (var i = 0u; i < W_SHARE; i++) {
        w_next[i] = fetch_w(lane + i * THREADS, column0, quad0 + STAGE, quads);
      }
    }
    for (var quad = 0u; quad < STAGE; quad++) {
      let a_at = quad * A_PITCH + thread.y;
#for $j < BLOCK_COLUMNS
      let w$j = w_block(quad, thread.x + $ju * THREADS_X);
#end
#for $i < BLOCK_ROWS
      let a$i = a_block(a_at + $iu * 4u * ROW_STEP);
#for $j < BLOCK_COLUMNS
      (*sums)[$iu * BLOCK_COLUMNS + $ju] += product(a$i, w$j);
#end
#end
    }
    // The next stage overwrites what slower threads still have to read.
    workgroupBarrier();
  }
}
