//! A result against its baselines, in a sentence for the terminal and the report.

/// What is wrong with a result that does not beat a baseline, and what to do; `None` if it beats both. The linear probe is `None`
/// if it is the result itself, or is not known.
#[must_use]
pub fn verdict(accuracy: f64, probe: Option<f64>, majority: f64) -> Option<String> {
    let percent = |share: f64| format!("{:.1}%", 100.0 * share);
    if accuracy <= majority {
        let mut text = "This is no better than always predicting the most frequent class.".to_owned();
        match probe.filter(|&probe| probe > accuracy) {
            Some(probe) => {
                text += &format!(
                    " The linear probe, which has no prompt, reaches {}: use it here (--method probe), or try more epochs, \
                     another learning rate or more rows.",
                    percent(probe)
                );
            }
            None => text += " Check the labels, or try more rows.",
        }
        return Some(text);
    }
    match probe {
        Some(probe) if accuracy < probe => Some(format!(
            "This is below the linear probe, which has no prompt ({} against {}). Use the linear probe here (--method probe), or \
             try more epochs, another learning rate or more rows.",
            percent(accuracy),
            percent(probe)
        )),
        Some(probe) if accuracy == probe => Some(format!(
            "The linear probe, which has no prompt, is as accurate ({}). It is trained in seconds: --method probe.",
            percent(probe)
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn each_baseline_that_is_not_beaten_is_named() {
        let said = |accuracy, probe, majority| verdict(accuracy, probe, majority).unwrap_or_default();
        assert!(said(0.5, Some(0.9), 0.5).contains("no better than always predicting the most frequent class"));
        assert!(
            said(0.5, Some(0.9), 0.5)
                .contains("The linear probe, which has no prompt, reaches 90.0%: use it here (--method probe)")
        );
        assert!(!said(0.5, Some(0.4), 0.5).contains("probe") && !said(0.5, None, 0.5).contains("probe"));
        assert!(said(0.91, Some(0.933), 0.5).contains("below the linear probe, which has no prompt (91.0% against 93.3%)"));
        assert!(said(0.91, Some(0.933), 0.5).contains("--method probe"));
        assert!(
            said(0.9, Some(0.9), 0.5).contains("as accurate (90.0%)") && said(0.9, Some(0.9), 0.5).contains("--method probe")
        );
        for good in [verdict(0.9, Some(0.8), 0.5), verdict(0.9, None, 0.5)] {
            assert_eq!(good, None);
        }
    }
}
