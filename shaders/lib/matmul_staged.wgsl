// Tiles through workgroup memory, for GPUs: each value is read from the buffers once a workgroup.

// A thread's rows and columns are THREADS_Y and THREADS_X apart, so that neighbours read neighbouring values.
const ROW_PITCH: u32 = 1u;
const COLUMN_PITCH: u32 = 1u;
const ROW_STEP: u32 = THREADS_Y;
const COLUMN_STEP: u32 = THREADS_X;

// Quads of K in a stage. One more row than needed keeps threads that write different quads of a row off the same bank.
const STAGE: u32 = 4u;
const A_PITCH: u32 = TILE_ROWS + 1u;
const W_PITCH: u32 = TILE_COLUMNS + 1u;
const THREADS: u32 = THREADS_X * THREADS_Y;

// [quad][row] and [quad][column]: four values of K each.
var<workgroup> a_tile: array<vec4<f32>, STAGE * A_PITCH>;
var<workgroup> w_tile: array<vec4<f32>, STAGE * W_PITCH>;

fn stage_a(lane: u32, row0: u32, quad0: u32, quads: u32) {
  for (var i = lane; i < STAGE * TILE_ROWS; i += THREADS) {
    let quad = i % STAGE;
    let row = i / STAGE;
    var values = vec4<f32>(0.0);
    if (quad0 + quad < quads) {
      values = load_a(a_begin(row0 + row), quad0 + quad);
    }
    a_tile[quad * A_PITCH + row] = values;
  }
}

fn stage_w(lane: u32, column0: u32, quad0: u32, quads: u32) {
  if (TRANSPOSED) {
    for (var i = lane; i < STAGE * TILE_COLUMNS; i += THREADS) {
      let quad = i % STAGE;
      let column = i / STAGE;
      var values = vec4<f32>(0.0);
      if (quad0 + quad < quads) {
        values = load_w_column(w_begin(column0 + column), quad0 + quad);
      }
      w_tile[quad * W_PITCH + column] = values;
    }
  } else {
    for (var i = lane; i < STAGE * TILE_COLUMNS / 4u; i += THREADS) {
      let column = i % (TILE_COLUMNS / 4u) * 4u;
      let quad = i / (TILE_COLUMNS / 4u);
      var block = mat4x4<f32>();
      if (quad0 + quad < quads) {
        let begin = w_begin(column0 + column);
        let k = 4u * (quad0 + quad);
        block = transpose(mat4x4<f32>(
          load_w_row(begin, k),
          load_w_row(begin, k + 1u),
          load_w_row(begin, k + 2u),
          load_w_row(begin, k + 3u),
        ));
      }
      let at = quad * W_PITCH + column;
      w_tile[at] = block[0];
      w_tile[at + 1u] = block[1];
      w_tile[at + 2u] = block[2];
      w_tile[at + 3u] = block[3];
    }
  }
}

fn a_block(at: u32) -> mat4x4<f32> {
  return mat4x4<f32>(a_tile[at], a_tile[at + ROW_STEP], a_tile[at + 2u * ROW_STEP], a_tile[at + 3u * ROW_STEP]);
}

fn w_block(at: u32) -> mat4x4<f32> {
  return transpose(
    mat4x4<f32>(w_tile[at], w_tile[at + COLUMN_STEP], w_tile[at + 2u * COLUMN_STEP], w_tile[at + 3u * COLUMN_STEP]),
  );
}

fn accumulate(sums: ptr<function, Blocks>, row0: u32, column0: u32, thread: vec2<u32>) {
  let lane = thread.y * THREADS_X + thread.x;
  let quads = (params.k + 3u) / 4u;
  for (var quad0 = 0u; quad0 < quads; quad0 += STAGE) {
    stage_a(lane, row0, quad0, quads);
    stage_w(lane, column0, quad0, quads);
    workgroupBarrier();
    for (var quad = 0u; quad < STAGE; quad++) {
      let a_at = quad * A_PITCH + thread.y;
      let w_at = quad * W_PITCH + thread.x;
      let a0 = a_block(a_at);
      let w0 = w_block(w_at);
      (*sums)[0] = multiply_add((*sums)[0], a0, w0);
      if (BLOCK_ROWS > 1u && BLOCK_COLUMNS > 1u) {
        let a1 = a_block(a_at + 4u * ROW_STEP);
        let w1 = w_block(w_at + 4u * COLUMN_STEP);
        (*sums)[1] = multiply_add((*sums)[1], a0, w1);
        (*sums)[4] = multiply_add((*sums)[4], a1, w0);
        (*sums)[5] = multiply_add((*sums)[5], a1, w1);
      }
    }
    // The next stage overwrites what slower threads still have to read.
    workgroupBarrier();
  }
}
