// Tiles straight from the buffers, for adapters computed by a CPU: workgroup memory and its barriers cost there and save
// nothing, and the more values a thread makes of one load the better. 2 x 4 blocks a thread.

// A thread's rows and columns are neighbours.
const ROW_PITCH: u32 = 4u * BLOCK_ROWS;
const COLUMN_PITCH: u32 = 4u * BLOCK_COLUMNS;
const ROW_STEP: u32 = 1u;
const COLUMN_STEP: u32 = 1u;

fn a_begins(row: u32) -> vec4<u32> {
  return vec4<u32>(a_begin(row), a_begin(row + 1u), a_begin(row + 2u), a_begin(row + 3u));
}

fn a_block(begins: vec4<u32>, quad: u32) -> mat4x4<f32> {
  return mat4x4<f32>(load_a(begins.x, quad), load_a(begins.y, quad), load_a(begins.z, quad), load_a(begins.w, quad));
}

fn w_begins(column: u32) -> vec4<u32> {
  if (TRANSPOSED) {
    return vec4<u32>(w_begin(column), w_begin(column + 1u), w_begin(column + 2u), w_begin(column + 3u));
  }
  return vec4<u32>(w_begin(column));
}

fn w_block(begins: vec4<u32>, quad: u32) -> mat4x4<f32> {
  if (TRANSPOSED) {
    return transpose(mat4x4<f32>(
      load_w_column(begins.x, quad),
      load_w_column(begins.y, quad),
      load_w_column(begins.z, quad),
      load_w_column(begins.w, quad),
    ));
  }
  let k = 4u * quad;
  return mat4x4<f32>(
    load_w_row(begins.x, k),
    load_w_row(begins.x, k + 1u),
    load_w_row(begins.x, k + 2u),
    load_w_row(begins.x, k + 3u),
  );
}

fn accumulate(sums: ptr<function, Blocks>, row0: u32, column0: u32, thread: vec2<u32>) {
  let row = row0 + thread.y * ROW_PITCH;
  let column = column0 + thread.x * COLUMN_PITCH;
  let a_begins0 = a_begins(row);
  let a_begins1 = a_begins(row + 4u);
  let w_begins0 = w_begins(column);
  let w_begins1 = w_begins(column + 4u);
  let w_begins2 = w_begins(column + 8u);
  let w_begins3 = w_begins(column + 12u);
  let quads = (params.k + 3u) / 4u;
  for (var quad = 0u; quad < quads; quad++) {
    let a0 = a_block(a_begins0, quad);
    let a1 = a_block(a_begins1, quad);
    let w0 = w_block(w_begins0, quad);
    (*sums)[0] = multiply_add((*sums)[0], a0, w0);
    (*sums)[4] = multiply_add((*sums)[4], a1, w0);
    let w1 = w_block(w_begins1, quad);
    (*sums)[1] = multiply_add((*sums)[1], a0, w1);
    (*sums)[5] = multiply_add((*sums)[5], a1, w1);
    let w2 = w_block(w_begins2, quad);
    (*sums)[2] = multiply_add((*sums)[2], a0, w2);
    (*sums)[6] = multiply_add((*sums)[6], a1, w2);
    let w3 = w_block(w_begins3, quad);
    (*sums)[3] = multiply_add((*sums)[3], a0, w3);
    (*sums)[7] = multiply_add((*sums)[7], a1, w3);
  }
}
