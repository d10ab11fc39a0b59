// out = a w + extra, w [K, N].
const TRANSPOSED: bool = false;

@group(0) @binding(3) var<storage, read> extra: array<Value>;
@group(0) @binding(4) var<storage, read_write> out: array<Value>;

fn finish(at: u32, column: u32, value: Value) {
  out[at] = value + extra[at];
}
