//! Partial encoders (Huang et al. 2022, "FPT: Improving Prompt Tuning Efficiency via Progressive Training", arXiv 2211.06840): an
//! encoder without some of its layers, or without some feed-forward neurons of every layer, as plain weights.

use super::spec::{EncoderSpec, EncoderWeights, LayerWeights, LinearWeights};
use crate::error::{Error, Result};

/// Selects `kept` of `total` layers, ascending: the first, the last, and the rest evenly between them, with wider gaps above
/// (method `evenly` in the paper's code). The last layer is always included, so that the head gets the hidden states that it was
/// trained on.
///
/// # Errors
/// [`Error::Config`] for fewer than 2 layers or more than there are.
pub fn evenly(total: usize, kept: usize) -> Result<Vec<usize>> {
    if kept == total {
        return Ok((0..total).collect());
    }
    if !(2..total).contains(&kept) {
        return Err(Error::config(
            "prompt.progressive.stages",
            format!("{kept} of {total} layers"),
            "a partial encoder always has the first and the last layer: use a larger size",
        ));
    }
    let gaps = kept - 1;
    let (width, wider) = ((total - kept) / gaps, (total - kept) % gaps);
    let mut layers = vec![0];
    for gap in 0..gaps {
        layers.push(layers[gap] + width + 1 + usize::from(gap >= gaps - wider));
    }
    Ok(layers)
}

/// The number of layers for a share of `total`: rounded, half up, but at least 2.
#[must_use]
pub fn layers(total: usize, share: f64) -> usize {
    rounded(total, share).max(2).min(total)
}

/// The number of feed-forward neurons for a share of `total`: rounded, half up, but at least 1.
#[must_use]
pub fn neurons(total: usize, share: f64) -> usize {
    rounded(total, share).max(1).min(total)
}

fn rounded(total: usize, share: f64) -> usize {
    (total as f64 * share + 0.5).floor() as usize
}

/// For every layer, the `kept` neurons with the largest scores, ascending; of equal scores, the earlier neuron. `scores` `[L,
/// F]`, row-major.
///
/// # Panics
/// If `kept` is larger than the number of neurons.
#[must_use]
pub fn top(scores: &[f32], ffn: usize, kept: usize) -> Vec<Vec<usize>> {
    let best = |scores: &[f32]| {
        let mut order: Vec<usize> = (0..ffn).collect();
        // A stable sort: neurons with equal scores stay in order.
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let mut best = order[..kept].to_vec();
        best.sort_unstable();
        best
    };
    scores.chunks_exact(ffn).map(best).collect()
}

/// The encoder with only `layers`, in which layer l has the feed-forward neurons `neurons[l]`, l being its number in the full
/// encoder. The word embeddings are shared, not copied.
///
/// # Panics
/// If a number is out of range, or the selected layers have different numbers of neurons.
#[must_use]
pub fn partial(weights: &EncoderWeights, layers: &[usize], neurons: &[Vec<usize>]) -> EncoderWeights {
    let EncoderSpec { hidden, ffn, .. } = weights.spec;
    let kept = layers.first().map_or(ffn, |&layer| neurons[layer].len());
    assert!(layers.iter().all(|&layer| neurons[layer].len() == kept), "one width for all layers");
    let part = |layer: usize| {
        let (whole, neurons) = (&weights.layers[layer], &neurons[layer]);
        LayerWeights {
            ffn_in: LinearWeights {
                weight: neurons.iter().flat_map(|&n| &whole.ffn_in.weight[n * hidden..(n + 1) * hidden]).copied().collect(),
                bias: neurons.iter().map(|&n| whole.ffn_in.bias[n]).collect(),
            },
            ffn_out: LinearWeights {
                weight: whole.ffn_out.weight.chunks_exact(ffn).flat_map(|row| neurons.iter().map(|&n| row[n])).collect(),
                bias: whole.ffn_out.bias.clone(),
            },
            qkv: whole.qkv.clone(),
            attention_out: whole.attention_out.clone(),
            attention_norm: whole.attention_norm.clone(),
            ffn_norm: whole.ffn_norm.clone(),
        }
    };
    EncoderWeights {
        spec: EncoderSpec { layers: layers.len(), ffn: kept, ..weights.spec.clone() },
        word: weights.word.clone(),
        position: weights.position.clone(),
        embed_norm: weights.embed_norm.clone(),
        layers: layers.iter().map(|&layer| part(layer)).collect(),
        pooler: weights.pooler.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the formula of the paper's code gives.
    #[test]
    fn layers_are_kept_evenly() {
        let up_to = |n: usize, rest: &[usize]| (0..n).chain(rest.iter().copied()).collect::<Vec<_>>();
        for (total, kept, expected) in [
            (24, 6, vec![0, 4, 8, 13, 18, 23]),
            (24, 12, vec![0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 23]),
            (24, 18, up_to(12, &[13, 15, 17, 19, 21, 23])),
            (12, 3, vec![0, 5, 11]),
            (12, 6, vec![0, 2, 4, 6, 8, 11]),
            (12, 9, up_to(6, &[7, 9, 11])),
            (6, 2, vec![0, 5]),
            (6, 3, vec![0, 2, 5]),
            (6, 4, vec![0, 1, 3, 5]),
            (6, 5, vec![0, 1, 2, 3, 5]),
            (6, 6, vec![0, 1, 2, 3, 4, 5]),
            (4, 2, vec![0, 3]),
            (4, 3, vec![0, 1, 3]),
            (1, 1, vec![0]),
        ] {
            assert_eq!(evenly(total, kept).unwrap(), expected, "{kept} of {total}");
        }
        for (total, kept) in [(6, 0), (6, 1), (6, 7), (1, 2)] {
            assert_eq!(evenly(total, kept).unwrap_err().code(), "config", "{kept} of {total}");
        }
    }

    #[test]
    fn shares_are_rounded_half_up() {
        assert_eq!([0.25, 0.5, 0.75, 1.0].map(|share| layers(6, share)), [2, 3, 5, 6]);
        assert_eq!([0.01, 0.24, 0.26, 1.0].map(|share| layers(12, share)), [2, 3, 3, 12]);
        assert_eq!([0.25, 0.5, 0.75].map(|share| layers(1, share)), [1, 1, 1]);
        assert_eq!([0.25, 0.5, 0.75].map(|share| neurons(1536, share)), [384, 768, 1152]);
        assert_eq!([0.001, 0.25, 0.5, 1.0].map(|share| neurons(10, share)), [1, 3, 5, 10]);
    }

    #[test]
    fn the_best_neurons_stay_in_order() {
        let scores = [0.5, 3.0, 1.0, 2.0, /* next layer */ 1.0, 1.0, 0.0, 1.0];
        assert_eq!(top(&scores, 4, 2), [vec![1, 3], vec![0, 1]]);
        assert_eq!(top(&scores, 4, 4), [vec![0, 1, 2, 3], vec![0, 1, 2, 3]]);
    }
}
