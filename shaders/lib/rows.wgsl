// What is known about one packed row. Rust: engine/mod.rs, RowInfo.
struct RowInfo {
  // First row of its example, and one past the last.
  start: u32,
  end: u32,
  // Row of the word table or of the hidden states that the prompt joins, or PROMPT_BIT | row of the prompt input.
  source: u32,
  // Its example.
  example: u32,
}
const PROMPT_BIT: u32 = 0x80000000u;
