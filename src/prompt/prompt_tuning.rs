//! Prompt tuning (Lester, Al-Rfou and Constant 2021, "The Power of Scale for Parameter-Efficient Prompt Tuning", section 2):
//! `P` free rows `[P, D]` in front of the word embeddings, `[P_e; X_e]`; they get positions `0..P`, token type 0 and the
//! embedding norm, as in PEFT.

use burn::tensor::Tensor;

use super::{Context, Given, Parameter, PromptMethod, Sizes, Start};
use crate::config::{PromptConfig, PromptInit};
use crate::engine::boundary::Prompt;
use crate::error::{Error, Result};
use crate::rng::Rng;

/// Only the most common tokens are drawn (Lester et al. 2021, section 3.2). A WordPiece vocabulary lists them by frequency, after
/// about this many reserved and single-character entries.
const RESERVED: usize = 1996;
/// Number of common tokens to draw from (same section).
const POPULATION: usize = 5000;

pub(super) struct PromptTuning {
    config: PromptConfig,
}

impl PromptTuning {
    pub(super) fn new(config: PromptConfig) -> Self {
        Self { config }
    }
}

impl PromptMethod for PromptTuning {
    fn prompt_length(&self) -> usize {
        self.config.length
    }

    fn initial(&self, mut start: Start<'_>) -> Result<Vec<Parameter>> {
        let hidden = start.weights.spec.hidden;
        Ok(vec![Parameter::new(NAME, [self.config.length, hidden], rows(&self.config, &mut start)?)])
    }

    fn given(&self, parameters: &[Tensor<2>], _: &Context<'_>) -> Given {
        Prompt::Shared(parameters[0].clone()).into()
    }

    fn stored(&self, sizes: Sizes) -> Vec<(&'static str, [usize; 2])> {
        vec![(NAME, [self.config.length, sizes.hidden])]
    }
}

/// The name of the prompt matrix, in every method that has one.
pub(super) const NAME: &str = "prompt";

/// Initial prompt rows `[P, D]`, according to the config.
pub(super) fn rows(config: &PromptConfig, start: &mut Start<'_>) -> Result<Vec<f32>> {
    let length = config.length;
    Ok(match &config.init {
        PromptInit::Random => random(length, start),
        PromptInit::Vocabulary => vocabulary(length, start),
        PromptInit::Labels => labels(length, start)?,
        PromptInit::Text(text) => from_text(length, text, start)?,
    })
}

fn word(start: &Start<'_>, id: usize) -> Vec<f32> {
    let hidden = start.weights.spec.hidden;
    start.weights.word[id * hidden..(id + 1) * hidden].to_vec()
}

/// Normally distributed, with the standard deviation of the word embeddings. On another scale, either the prompt or the position
/// embeddings added to it would dominate.
fn random(length: usize, start: &mut Start<'_>) -> Vec<f32> {
    let ((mean, deviation), hidden) = (start.weights.word_spread(), start.weights.spec.hidden);
    (0..length * hidden).map(|_| (mean + deviation * start.rng.normal()) as f32).collect()
}

/// Token embeddings, without replacement as long as possible.
fn vocabulary(length: usize, start: &mut Start<'_>) -> Vec<f32> {
    let ids = draw(length, start.weights.spec.vocab, &mut start.rng);
    ids.into_iter().flat_map(|id| word(start, id)).collect()
}

fn draw(count: usize, vocab: usize, rng: &mut Rng) -> Vec<usize> {
    let first = if vocab > RESERVED + POPULATION { RESERVED } else { 0 };
    let mut population: Vec<usize> = (first..vocab.min(first + POPULATION)).collect();
    rng.shuffle(&mut population);
    (0..count).map(|i| population[i % population.len()]).collect()
}

/// Row i is the mean of the token embeddings of class name i; remaining rows are drawn from the vocabulary. Class names beyond
/// the prompt's length are not used.
fn labels(length: usize, start: &mut Start<'_>) -> Result<Vec<f32>> {
    let hidden = start.weights.spec.hidden;
    let mut rows: Vec<Vec<f32>> = Vec::with_capacity(length);
    for label in start.labels.iter().take(length) {
        let pieces = start.tokenizer.pieces(&spoken(label))?;
        let mut mean = vec![0f64; hidden];
        for &id in &pieces {
            mean.iter_mut().zip(word(start, id as usize)).for_each(|(sum, value)| *sum += f64::from(value));
        }
        if !pieces.is_empty() {
            rows.push(mean.into_iter().map(|sum| (sum / pieces.len() as f64) as f32).collect());
        }
    }
    let rest = draw(length - rows.len(), start.weights.spec.vocab, &mut start.rng);
    rows.extend(rest.into_iter().map(|id| word(start, id)));
    Ok(rows.concat())
}

/// A class name as words: names such as `AddToPlaylist` and `card_arrival` are not in the vocabulary.
fn spoken(label: &str) -> String {
    let mut words = String::with_capacity(label.len() + 8);
    let mut previous_lower = false;
    for c in label.chars() {
        if previous_lower && c.is_uppercase() {
            words.push(' ');
        }
        words.push(if c == '_' || c == '-' { ' ' } else { c });
        previous_lower = c.is_lowercase();
    }
    words
}

/// The token embeddings of a text, repeated or truncated to the prompt's length.
fn from_text(length: usize, text: &str, start: &Start<'_>) -> Result<Vec<f32>> {
    let pieces = start.tokenizer.pieces(text)?;
    if pieces.is_empty() {
        return Err(Error::config("prompt.init", format!("the text {text:?} has no tokens"), "use a few plain words"));
    }
    Ok((0..length).flat_map(|i| word(start, pieces[i % pieces.len()] as usize)).collect())
}

#[cfg(test)]
mod tests {
    use super::spoken;

    #[test]
    fn labels_are_spoken_as_words() {
        assert_eq!(spoken("AddToPlaylist"), "Add To Playlist");
        assert_eq!(spoken("card_arrival"), "card arrival");
        assert_eq!(spoken("SPAM"), "SPAM");
    }
}
