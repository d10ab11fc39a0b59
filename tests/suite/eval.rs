//! Figures against values worked out by hand or by scikit-learn.

use softprompt::eval::{Metrics, argmax, cross_entropy, majority_accuracy, softmax};
use wasm_bindgen_test::wasm_bindgen_test;

fn names(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|&label| label.into()).collect()
}

/// NaN counts as a difference.
fn close(got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "got {got}, want {want}");
}

#[wasm_bindgen_test(unsupported = test)]
fn metrics_equal_scikit_learn() {
    // sklearn 1.x: precision_recall_fscore_support(truth, predicted, zero_division=0), f1_score(average="macro").
    let truth = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2];
    let predicted = [0, 0, 0, 1, 1, 1, 2, 2, 0, 1];
    let metrics = Metrics::new(&names(&["a", "b", "c"]), &truth, &predicted).unwrap();
    close(metrics.accuracy, 0.6, 1e-15);
    // F1 of a: 2*3/(4+4), of b: 2*2/(3+4), of c: 2*1/(3+2).
    close(metrics.macro_f1, (6.0 / 8.0 + 4.0 / 7.0 + 2.0 / 5.0) / 3.0, 1e-15);
    assert_eq!(metrics.confusion, [[3, 1, 0], [0, 2, 1], [1, 1, 1]]);
    let b = &metrics.per_class[1];
    assert_eq!((b.label.as_str(), b.support), ("b", 3));
    close(b.precision, 0.5, 1e-15);
    close(b.recall, 2.0 / 3.0, 1e-15);
    close(b.f1, 4.0 / 7.0, 1e-15);
    assert_eq!(metrics.confusion.iter().flatten().sum::<u64>(), 10);
}

#[wasm_bindgen_test(unsupported = test)]
fn classes_that_do_not_occur_count_for_nothing() {
    let labels = names(&["a", "b", "never", "claimed"]);
    let metrics = Metrics::new(&labels, &[0, 0, 1, 1], &[0, 0, 1, 3]).unwrap();
    // Over a (1), b (2/3) and claimed (0), not over never.
    close(metrics.macro_f1, (1.0 + 2.0 / 3.0) / 3.0, 1e-15);
    for class in &metrics.per_class[2..] {
        assert_eq!((class.precision, class.recall, class.f1, class.support), (0.0, 0.0, 0.0, 0), "{}", class.label);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn metrics_refuse_what_does_not_fit() {
    let labels = names(&["a", "b"]);
    for (truth, predicted) in [(&[][..], &[][..]), (&[0, 1], &[0]), (&[0, 2], &[0, 1]), (&[0, 1], &[0, 2])] {
        assert!(Metrics::new(&labels, truth, predicted).is_err(), "{truth:?} {predicted:?}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_majority_is_that_of_the_training_rows() {
    close(majority_accuracy(&[1, 1, 0], &[0, 0, 0, 1]), 0.25, 0.0);
    // The lowest of equals.
    close(majority_accuracy(&[2, 1, 2, 1], &[1, 1, 2, 2, 2]), 0.4, 0.0);
    close(majority_accuracy(&[0, 7], &[7]), 0.0, 0.0);
    close(majority_accuracy(&[], &[0]), 0.0, 0.0);
    close(majority_accuracy(&[0], &[]), 0.0, 0.0);
}

#[wasm_bindgen_test(unsupported = test)]
fn softmax_is_stable() {
    let probabilities = softmax(&[1000.0, 1001.0, -1e30]);
    close(f64::from(probabilities[0]), 0.268_941_421_369_995, 1e-7);
    close(f64::from(probabilities[1]), 0.731_058_578_630_005, 1e-7);
    assert_eq!(probabilities[2], 0.0);
    close(f64::from(softmax(&[0.1; 77]).iter().sum::<f32>()), 1.0, 1e-6);
    assert!(softmax(&[0.0, f32::NAN]).iter().all(|probability| probability.is_nan()));
    assert!(softmax(&[]).is_empty());
}

#[wasm_bindgen_test(unsupported = test)]
fn argmax_takes_the_first_and_never_nan() {
    assert_eq!(argmax(&[0.5, 2.0, 2.0, -1.0]), 1);
    assert_eq!(argmax(&[f32::NAN, -3.0, f32::NAN, -2.0]), 3);
    assert_eq!(argmax(&[f32::NEG_INFINITY, f32::NEG_INFINITY]), 0);
    assert_eq!(argmax(&[f32::NAN, f32::NEG_INFINITY]), 1);
    assert_eq!(argmax(&[f32::NAN]), 0);
    assert_eq!(argmax(&[]), 0);
}

#[wasm_bindgen_test(unsupported = test)]
fn cross_entropy_is_the_mean_in_nats() {
    // From Python's math module: the mean of log(sum(exp(row))) - row[label].
    close(cross_entropy(&[2.0, 1.0, 0.1, 0.5, -1.5, 1.0], &[0, 2]), 0.470_469_536_228_870_44, 1e-7);
    close(cross_entropy(&[1.0; 8], &[0, 3]), 4.0_f64.ln(), 1e-12);
    // Far apart, where a sum of plain exponentials overflows.
    close(cross_entropy(&[1000.0, -1000.0], &[1]), 2000.0, 1e-9);
    for (logits, labels) in
        [(&[][..], &[][..]), (&[1.0, 2.0], &[2]), (&[1.0, 2.0, 3.0], &[0, 0]), (&[1.0], &[0, 0]), (&[f32::NAN, 1.0], &[0])]
    {
        assert!(cross_entropy(logits, labels).is_nan(), "{logits:?} {labels:?}");
    }
}
