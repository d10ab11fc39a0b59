//! 95% confidence intervals of metrics, with respect to the sampling of the held-out rows. They do not cover the variation over
//! seeds or prompts.

use serde::Serialize;

use crate::rng::Rng;

/// The 97.5% quantile of the standard normal distribution.
const QUANTILE: f64 = 1.959_963_984_540_054;
/// Resamples of the bootstrap: 1,000 are sufficient for 95% percentile intervals (Efron and Tibshirani 1993, section 13.3).
const RESAMPLES: usize = 1000;

/// Both ends of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Confidence interval of a share, of which `right` of `rows` is a sample: the score interval (Wilson 1927, "Probable Inference,
/// the Law of Succession, and Statistical Inference"; without continuity correction). It never exceeds 0 to 1 and is suitable for
/// few rows (Newcombe 1998). 0 to 1 if there are no rows.
#[must_use]
pub fn wilson(right: u64, rows: u64) -> Interval {
    if rows == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (n, share, z2) = (rows as f64, right as f64 / rows as f64, QUANTILE * QUANTILE);
    let middle = share + z2 / (2.0 * n);
    let width = QUANTILE * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    let end = |value: f64| (value / (1.0 + z2 / n)).clamp(0.0, 1.0);
    // Rounding must not exceed the ends.
    Interval {
        low: if right == 0 { 0.0 } else { end(middle - width) },
        high: if right == rows { 1.0 } else { end(middle + width) },
    }
}

/// Confidence interval of the macro-F1, with `truth` and `predicted` as class indices below `classes`: the percentile interval of
/// a bootstrap over rows (Efron and Tibshirani 1993, chapter 13). The same rows always give the same interval. 0 to 1 if there
/// are no rows.
#[must_use]
pub fn macro_f1(classes: usize, truth: &[u32], predicted: &[u32]) -> Interval {
    let rows = truth.len().min(predicted.len());
    if rows == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let mut rng = Rng::stream(0, "bootstrap");
    let mut figures: Vec<f64> = Vec::with_capacity(RESAMPLES);
    let (mut hits, mut ends) = (vec![0_u64; classes], vec![0_u64; classes]);
    for _ in 0..RESAMPLES {
        hits.fill(0);
        ends.fill(0);
        for _ in 0..rows {
            let row = rng.below(rows);
            let (truth, predicted) = (truth[row] as usize, predicted[row] as usize);
            hits[truth] += u64::from(truth == predicted);
            // Rows with the label, and rows predicted as the class.
            ends[truth] += 1;
            ends[predicted] += 1;
        }
        let present = ends.iter().filter(|&&ends| ends > 0).count();
        let f1 = hits.iter().zip(&ends).filter(|(_, ends)| **ends > 0).map(|(&hits, &ends)| 2.0 * hits as f64 / ends as f64);
        figures.push(f1.sum::<f64>() / present as f64);
    }
    figures.sort_by(f64::total_cmp);
    Interval { low: quantile(&figures, 0.025), high: quantile(&figures, 0.975) }
}

/// A quantile of ascending values, with linear interpolation.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, part) = (at as usize, at.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + part * (sorted[above] - sorted[below])
}
