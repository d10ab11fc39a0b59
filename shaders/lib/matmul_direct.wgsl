// Tiles straight from the operands, for adapters computed by a CPU: workgroup memory and its barriers cost there and save
// nothing, and the more values a thread makes of one load the better.

// A thread's rows and columns are neighbours.
const ROW_PITCH: u32 = 4u * BLOCK_ROWS;
const COLUMN_PITCH: u32 = 4u * BLOCK_COLUMNS;
const ROW_STEP: u32 = 1u;
const COLUMN_BLOCK: u32 = 4u;

fn a_begins(row: u32) -> vec4<u32> {
  return vec4<u32>(a_begin(row), a_begin(row + 1u), a_begin(row + 2u), a_begin(row + 3u));
}

// Four rows of a and four values of K.
fn a_block(begins: vec4<u32>, quad: u32) -> mat4x4<f32> {
  return mat4x4<f32>(load_a(begins.x, quad), load_a(begins.y, quad), load_a(begins.z, quad), load_a(begins.w, quad));
}

fn w_begins(column: u32) -> vec4<u32> {
  if (TRANSPOSED) {
    return vec4<u32>(w_begin(column), w_begin(column + 1u), w_begin(column + 2u), w_begin(column + 3u));
  }
  return vec4<u32>(w_begin(column));
}

// Four columns of w and four values of K, as `product` takes them.
fn w_block(begins: vec4<u32>, quad: u32) -> mat4x4<f32> {
  if (TRANSPOSED) {
    return mat4x4<f32>(
      load_w_column(begins.x, quad),
      load_w_column(begins.y, quad),
      load_w_column(begins.z, quad),
      load_w_column(begins.w, quad),
    );
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
#for $i < BLOCK_ROWS
  let a_begins$i = a_begins(row + $iu * 4u);
#end
#for $j < BLOCK_COLUMNS
  let w_begins$j = w_begins(column + $ju * 4u);
#end
  let quads = (params.k + 3u) / 4u;
  for (var quad = 0u; quad < quads; quad++) {
#for $j < BLOCK_COLUMNS
    let w$j = w_block(w_begins$j, quad);
#end
#for $i < BLOCK_ROWS
    let a$i = a_block(a_begins$i, quad);
#for $j < BLOCK_COLUMNS
    (*sums)[$iu * BLOCK_COLUMNS + $ju] += product(a$i, w$j);
#end
#end
  }
}
