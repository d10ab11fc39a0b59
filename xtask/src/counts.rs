//! Counts tests from the last lines of the runners (libtest and wasm-bindgen-test, Vitest, Playwright).

/// Tests of one or more runners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ran and passed.
    pub passed: u64,
    /// Ran and failed. A flaky test, which passed at the second attempt, counts as failed.
    pub failed: u64,
    /// Did not run: ignored, skipped, filtered out.
    pub skipped: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The format of the last lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`, one a test binary.
    Libtest,
    /// `Tests  12 passed | 1 failed (13)`
    Vitest,
    /// `12 passed (34.5s)`, with `1 failed`, `1 flaky`, `2 skipped`, `1 did not run` on lines of their own.
    Playwright,
}

impl Runner {
    /// The sum over all summary lines in a runner's output.
    pub fn count(self, output: &str) -> Counts {
        let mut sum = Counts::default();
        for line in output.lines() {
            let line = plain(line);
            let line = line.trim();
            match self {
                Self::Libtest => {
                    let Some(rest) = line.strip_prefix("test result: ") else { continue };
                    let rest = rest.split_once(". ").map_or(rest, |(_, numbers)| numbers);
                    rest.split(';').for_each(|part| add(&mut sum, part));
                }
                Self::Vitest => {
                    let Some(rest) = line.strip_prefix("Tests ") else { continue };
                    rest.split(['|', '(']).for_each(|part| add(&mut sum, part));
                }
                // Exactly a number and a verdict, optionally with a time; other lines are output of the tests.
                Self::Playwright => add(&mut sum, line.split(" (").next().unwrap_or(line)),
            }
        }
        sum
    }

    /// The test binaries in this output, with their counts: cargo prints `Running tests/suite/main.rs (...)` before each.
    pub fn binaries(output: &str) -> Vec<(String, Counts)> {
        let mut found: Vec<(String, String)> = Vec::new();
        for line in output.lines() {
            let text = plain(line);
            if let Some(name) = text.trim().strip_prefix("Running ").and_then(|rest| rest.rsplit_once(" (")) {
                found.push((name.0.trim_start_matches("unittests ").to_owned(), String::new()));
            } else if let Some((_, text)) = found.last_mut() {
                text.push_str(line);
                text.push('\n');
            }
        }
        found.into_iter().map(|(name, text)| (name, Self::Libtest.count(&text))).collect()
    }
}

/// Adds one part such as ` 12 passed`.
fn add(sum: &mut Counts, part: &str) {
    let Some((number, verdict)) = part.trim().split_once(' ') else { return };
    let Ok(number) = number.parse::<u64>() else { return };
    match verdict {
        "passed" => sum.passed += number,
        "failed" | "flaky" | "interrupted" => sum.failed += number,
        "ignored" | "skipped" | "did not run" | "todo" | "filtered out" => sum.skipped += number,
        _ => {}
    }
}

/// A line without colour codes.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Counts, Runner};

    fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts { passed, failed, skipped }
    }

    #[test]
    fn libtest_sums_over_binaries() {
        let output = "running 2 tests\ntest a ... ok\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s\n\
                      test result: FAILED. 5 passed; 7 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n";
        assert_eq!(Runner::Libtest.count(output), counts(7, 7, 4));
    }

    #[test]
    fn binaries_are_told_apart() {
        let output = "     Running unittests src/lib.rs (target/release/deps/a-1)\ntest result: ok. 0 passed; 0 failed; 0 ignored\n\
                      \u{1b}[1m\u{1b}[32m     Running\u{1b}[0m tests/suite/main.rs (target/release/deps/suite-2)\ntest result: ok. 4 passed; 0 failed; 0 ignored\n";
        assert_eq!(
            Runner::binaries(output),
            [("src/lib.rs".to_owned(), counts(0, 0, 0)), ("tests/suite/main.rs".to_owned(), counts(4, 0, 0))]
        );
    }

    #[test]
    fn vitest_counts_tests_not_files() {
        let output = " \u{1b}[2m Test Files \u{1b}[22m \u{1b}[1m\u{1b}[32m3 passed\u{1b}[39m\u{1b}[22m (3)\n\
                      \u{1b}[2m      Tests \u{1b}[22m \u{1b}[31m1 failed\u{1b}[39m | \u{1b}[32m11 passed\u{1b}[39m | \u{1b}[33m2 skipped\u{1b}[39m (14)\n";
        assert_eq!(Runner::Vitest.count(output), counts(11, 1, 2));
    }

    #[test]
    fn playwright_counts_its_summary_only() {
        let output = "Running 5 tests using 1 worker\n  ok 1 page.spec.ts:3:1 > 9 passed words (2s)\n  1 failed\n    page.spec.ts:9:1 > x\n  1 flaky\n  1 did not run\n  2 passed (31.2s)\n";
        assert_eq!(Runner::Playwright.count(output), counts(2, 2, 1));
    }

    #[test]
    fn an_empty_output_counts_nothing() {
        for runner in [Runner::Libtest, Runner::Vitest, Runner::Playwright] {
            assert_eq!(runner.count("   Compiling x\nerror: could not compile\n"), counts(0, 0, 0));
        }
    }
}
