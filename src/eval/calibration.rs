//! Calibration: how well probabilities match accuracy. Of the texts with a probability of 80%, are 80% correct?

use serde::Serialize;

/// Bins of equal width, as in the reliability diagrams of Guo et al. 2017.
pub const BINS: usize = 10;

/// How well probabilities match accuracy (Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks",
/// sections 2 and 3).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error: the mean gap between confidence and accuracy over the bins, weighted by their rows. 0 is
    /// perfect.
    pub error: f64,
    /// Mean confidence minus accuracy over all rows; above 0, the classifier is overconfident.
    pub excess: f64,
    /// [`BINS`] bins of equal width, ascending; the upper end belongs to a bin, the lower end does not.
    pub bins: Vec<Bin>,
}

/// The predictions with a confidence in some range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Bin {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Number of predictions in it.
    pub count: u64,
    /// Their mean confidence; 0 if there are none.
    pub confidence: f64,
    /// Their accuracy; 0 if there are none.
    pub accuracy: f64,
}

impl Calibration {
    /// From the probability of each predicted class and whether it is correct.
    #[must_use]
    pub fn new(answers: impl IntoIterator<Item = (f32, bool)>) -> Self {
        let mut sums = [(0_u64, 0.0_f64, 0_u64); BINS];
        for (confidence, right) in answers {
            let confidence = f64::from(confidence);
            let bin = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
            let (count, sum, hits) = &mut sums[bin];
            *count += 1;
            *sum += confidence;
            *hits += u64::from(right);
        }
        let total = sums.iter().map(|(count, ..)| count).sum::<u64>().max(1) as f64;
        let mean = |sum: f64, count: u64| if count == 0 { 0.0 } else { sum / count as f64 };
        let bins: Vec<Bin> = (0..BINS)
            .zip(sums)
            .map(|(bin, (count, sum, hits))| Bin {
                low: bin as f64 / BINS as f64,
                high: (bin + 1) as f64 / BINS as f64,
                count,
                confidence: mean(sum, count),
                accuracy: mean(hits as f64, count),
            })
            .collect();
        let weighted = |of: fn(&Bin) -> f64| bins.iter().map(|bin| bin.count as f64 / total * of(bin)).sum();
        Self {
            error: weighted(|bin| (bin.confidence - bin.accuracy).abs()),
            excess: weighted(|bin| bin.confidence - bin.accuracy),
            bins,
        }
    }
}
