//! The changed files since a commit, and the stages whose patterns they match.

use crate::process::{answer, command};
use crate::{Paths, Result};

/// The files that differ from `since`, including untracked ones. Without `since`: from the commit where the branch left `main`;
/// on `main`, from the last commit if something is uncommitted, otherwise from the one before it.
pub fn files(paths: &Paths, since: Option<&str>) -> Result<Vec<String>> {
    let git = |args: &[&str]| answer(command(paths, "git").args(args));
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let untracked = git(&["ls-files", "--others", "--exclude-standard"]).map(lines).ok_or("git cannot be run")?;
    let base = match since {
        Some(commit) => commit.to_owned(),
        None => {
            let head = git(&["rev-parse", "HEAD"]).ok_or("there is no commit to compare with: give one with --since")?;
            let fork = ["origin/main", "main"].iter().find_map(|main| git(&["merge-base", "HEAD", main]));
            match fork {
                Some(fork) if fork != head => fork,
                _ if !untracked.is_empty() || git(&["status", "--porcelain"]).is_some_and(|text| !text.is_empty()) => head,
                _ => "HEAD~1".to_owned(),
            }
        }
    };
    let tracked = git(&["diff", "--name-only", &base]).ok_or_else(|| format!("there is no commit {base}"))?;
    Ok(lines(tracked).into_iter().chain(untracked).collect())
}

/// Whether one of the files matches one of the patterns: `*.rs` is a suffix, anything else a prefix; `!` excludes earlier
/// matches.
pub fn touch(patterns: &[&str], files: &[String]) -> bool {
    files.iter().any(|file| {
        patterns.iter().fold(false, |touched, pattern| {
            let (exclude, pattern) = pattern.strip_prefix('!').map_or((false, *pattern), |rest| (true, rest));
            let fits = pattern.strip_prefix('*').map_or_else(|| file.starts_with(pattern), |end| file.ends_with(end));
            if fits { !exclude } else { touched }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::touch;

    #[test]
    fn patterns_are_beginnings_endings_and_exceptions() {
        let touches = |file: &str| touch(&["*.rs", "shaders/", "!src/cli/", "src/cli/mod.rs"], &[file.to_owned()]);
        assert!(touches("src/data/table.rs") && touches("shaders/embed.wgsl") && touches("src/cli/mod.rs"));
        assert!(!touches("src/cli/train.rs") && !touches("README.md") && !touches("web/shaders/x"));
        assert!(!touch(&["*.rs"], &[]));
        assert!(touch(&["*.rs"], &["README.md".to_owned(), "src/lib.rs".to_owned()]), "one of several is enough");
    }
}
