//! Which words a trained prompt is nearest to (Lester, Al-Rfou and Constant 2021, "The Power of Scale for Parameter-Efficient
//! Prompt Tuning", section 7.2): of each prompt row, the tokens of the vocabulary whose embeddings have the largest cosine with it.
//! Neighbours say where a row lies and not what it does: the rows are free, and few lie close to any word.

use serde::Serialize;

use crate::adapter::Adapter;
use crate::config::{Generator, Method};
use crate::model::spec::EncoderWeights;
use crate::text::tokenizer::Tokenizer;

/// The neighbours of every prompt row, or why there are none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Nearest {
    /// Prompt rows in their order, of an ensemble those of the first member first; none where they do not live among the words.
    pub rows: Vec<PromptRow>,
    /// Why there are no rows, in a sentence.
    pub why_not: Option<String>,
}

/// A prompt row and what it is near to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PromptRow {
    /// Which prompt of an ensemble, counted from 1.
    pub member: usize,
    /// Row of the prompt, counted from 1.
    pub row: usize,
    /// The nearest first; none where the row is zero, because it was pruned.
    pub tokens: Vec<Neighbour>,
}

/// A token of the vocabulary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Neighbour {
    /// As the vocabulary spells it: `##ing` goes on with a word.
    pub token: String,
    /// Cosine of the angle between prompt row and word embedding, -1 to 1.
    pub cosine: f32,
}

/// The `most` nearest tokens of each row of an adapter's prompt, special and unused ones left out. `weights` and `tokenizer` are those
/// of its encoder. The whole vocabulary is gone through: do it once.
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
                // Behind those that are as near: the lower id first.
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

/// Why a method's rows cannot be compared with words, where that is so.
fn why_not(adapter: &Adapter) -> Option<&'static str> {
    match adapter.method() {
        Method::Probe => Some("A linear probe has no prompt."),
        Method::Deep => Some(
            "This prompt lives in the attention of every layer, as keys and values, and not among the words: there is nothing that it \
             could be near to.",
        ),
        Method::Late if adapter.config.prompt.late.generator == Generator::None => Some(
            "This prompt joins the text halfway up the encoder, where rows stand for meanings in context and not for words of the \
             vocabulary.",
        ),
        Method::Late => Some(
            "This prompt is made anew for every text, halfway up the encoder, where rows stand for meanings in context and not for \
             words of the vocabulary.",
        ),
        Method::Prompt | Method::Efficient | Method::Ensemble | Method::Progressive | Method::Auto => None,
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums that the compiler keeps in vectors.
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

/// A row with length 1; empty for a row of zeros.
fn unit(row: &[f32]) -> Vec<f32> {
    let length = dot(row, row).sqrt();
    if length == 0.0 { Vec::new() } else { row.iter().map(|value| value / length).collect() }
}
