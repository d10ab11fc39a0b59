//! The tiny golden encoder.

use softprompt::encoder::Encoder;

const CONFIG: &[u8] = include_bytes!("../golden/tiny/config.json");
pub const TOKENIZER: &[u8] = include_bytes!("../golden/tiny/tokenizer.json");
const WEIGHTS: &[u8] = include_bytes!("../golden/tiny/model.safetensors");

pub fn tiny_model() -> Encoder {
    with_tokenizer(TOKENIZER)
}

/// The same with another `tokenizer.json`.
pub fn with_tokenizer(tokenizer: &[u8]) -> Encoder {
    crate::device::begin();
    Encoder::from_bytes("tiny", CONFIG, tokenizer, WEIGHTS).expect("the tiny encoder loads")
}
