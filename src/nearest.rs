//! The vocabulary tokens nearest to a trained prompt (Lester, Al-Rfou and Constant 2021, "The Power of Scale for
//! Parameter-Efficient Prompt Tuning", section 7.2): for each prompt row, the tokens whose embeddings have the largest cosine
//! similarity with it. Neighbours show where a row lies, not what it does: the rows are free vectors, and few are close to any
//! token.

use serde::Serialize;

use crate::adapter::Adapter;
use crate::config::{Generator, Method};
use crate::model::spec::EncoderWeights;
use crate::text::tokenizer::Tokenizer;

/// The nearest tokens of every prompt row, or the reason why there are none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Nearest {
    /// Prompt rows in order; for an ensemble, those of the first member first. Empty if the prompt rows are not in the embedding
    /// space.
    pub rows: Vec<PromptRow>,
    /// The reason why there are no rows, in a sentence.
    pub why_not: Option<String>,
}

/// A prompt row and its nearest tokens.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PromptRow {
    /// Member of the ensemble, counted from 1.
    pub member: usize,
    /// Row of the prompt, counted from 1.
    pub row: usize,
    /// The nearest first. Empty if the row was pruned and is zero.
    pub tokens: Vec<Neighbour>,
}

/// A token of the vocabulary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Neighbour {
    /// As spelled in the vocabulary: `##ing` continues a word.
    pub token: String,
    /// Cosine similarity of the prompt row and the token's embedding, -1 to 1.
    pub cosine: f32,
}

/// The `most` nearest tokens of each row of an adapter's prompt, without special and unused tokens. `weights` and `tokenizer` are
/// those of its encoder. This scans the whole vocabulary, so call it once.
#[must_use]
pub fn nearest(adapter: &Adapter, weights: &EncoderWeights, tokenizer: &Tokenizer, most: usize) -> Nearest {
    let hidden = weights.spec.hidden;
    let prompt = adapter.stored.iter().find(|matrix| matrix.name == "prompt" && matrix.shape[1] == hidden);
    let prompt = match (why_not(adapter), prompt) {
        (None, Some(prompt)) => prompt,
        (why_not, _) => {
            let why_not = why_not.unwrap_or("This adapter has no prompt rows.").to_owned();
            return Nearest { rows: Vec::new(), why_not: Some(why_not) };
        }
    };
    let words = tokenizer.words(weights.spec.vocab);
    let unit: Vec<Vec<f32>> = prompt.values.chunks_exact(hidden).map(unit).collect();
    let mut found: Vec<Vec<(f32, usize)>> = vec![Vec::with_capacity(most + 1); unit.len()];
    for (id, embedding) in weights.word.chunks_exact(hidden).enumerate() {
        let length = dot(embedding, embedding).sqrt();
        if length == 0.0 || words[id].is_none() {
            continue;
        }
        for (row, found) in unit.iter().zip(&mut found) {
            let cosine = dot(row, embedding) / length;
            if !row.is_empty() && (found.len() < most || found.last().is_some_and(|(least, _)| cosine > *least)) {
                // After tokens with the same cosine: the lower id first.
                found.insert(found.partition_point(|(other, _)| *other >= cosine), (cosine, id));
                found.truncate(most);
            }
        }
    }
    let length = unit.len() / adapter.members();
    let neighbour = |(cosine, id): (f32, usize)| words[id].clone().map(|token| Neighbour { token, cosine });
    let rows = found.into_iter().enumerate().map(|(i, found)| PromptRow {
        member: i / length.max(1) + 1,
        row: i % length.max(1) + 1,
        tokens: found.into_iter().filter_map(neighbour).collect(),
    });
    Nearest { rows: rows.collect(), why_not: None }
}

/// Why a method's prompt rows cannot be compared with token embeddings.
fn why_not(adapter: &Adapter) -> Option<&'static str> {
    match adapter.method() {
        Method::Probe => Some("A linear probe has no prompt."),
        Method::Deep => Some(
            "This method trains keys and values in every layer. They are not in the space of the token embeddings and cannot be \
             compared with tokens.",
        ),
        Method::Late if adapter.config.prompt.late.generator == Generator::None => Some(
            "This prompt is inserted inside the encoder. Hidden states there are contextual and cannot be compared with the token \
             embeddings.",
        ),
        Method::Late => Some(
            "A generator computes this prompt for each text, inside the encoder. Hidden states there are \
             contextual and cannot be compared with the token embeddings.",
        ),
        Method::Prompt | Method::Efficient | Method::Ensemble | Method::Progressive | Method::Auto => None,
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight partial sums, which the compiler vectorises.
    let mut sums = [0f32; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// The row scaled to length 1; empty for a zero row.
fn unit(row: &[f32]) -> Vec<f32> {
    let length = dot(row, row).sqrt();
    if length == 0.0 { Vec::new() } else { row.iter().map(|value| value / length).collect() }
}
