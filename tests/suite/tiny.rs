//! The tiny golden encoder.

use softprompt::encoder::Encoder;

const CONFIG: &[u8] = include_bytes!("../golden/tiny/config.json");
const TOKENIZER: &[u8] = include_bytes!("../golden/tiny/tokenizer.json");
const WEIGHTS: &[u8] = include_bytes!("../golden/tiny/model.safetensors");

pub fn tiny_model() -> Encoder {
    crate::device::begin();
    Encoder::from_bytes("tiny", CONFIG, TOKENIZER, WEIGHTS).expect("the tiny encoder loads")
}
