//! The tiny golden encoder.

use softprompt::model::Model;

const CONFIG: &[u8] = include_bytes!("../golden/tiny/config.json");
const TOKENIZER: &[u8] = include_bytes!("../golden/tiny/tokenizer.json");
const WEIGHTS: &[u8] = include_bytes!("../golden/tiny/model.safetensors");

pub fn tiny_model() -> Model {
    crate::device::begin();
    Model::from_bytes("tiny", CONFIG, TOKENIZER, WEIGHTS).expect("the tiny encoder loads")
}
