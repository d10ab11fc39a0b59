//! Runs of the native program that are killed with SIGKILL at random moments and resumed until they are finished. The adapter
//! must equal that of an uninterrupted run byte for byte. Standard library only: `cargo xtask soak` and a test of the crate share
//! it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The runs, in turn.
const METHODS: [&[&str]; 8] = [
    &["--method", "prompt"],
    &["--method", "late"],
    &["--method", "progressive"],
    &["--method", "deep"],
    &["--method", "ensemble", "--members", "3"],
    &["--method", "prompt", "--prune"],
    &["--method", "efficient", "--held-out", "held.csv"],
    &["--method", "auto"],
];
const SHARED: [&str; 8] = ["--device", "cpu", "--batch-size", "8", "--prompt-length", "4", "--evaluations", "12"];
/// Steps; the tiny encoder does hundreds per second.
const STEPS: &str = "240";
/// Maximum number of kills of a run, which then runs to its end.
const MOST: usize = 6;
/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// Result of a soak.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Processes that were killed.
    pub kills: usize,
    /// Kills while a checkpoint was being written.
    pub writing: usize,
    /// Finished runs.
    pub trainings: usize,
    /// Number of times that a run was resumed from a checkpoint.
    pub resumed: usize,
    /// Number of times that a run was restarted, because there was no checkpoint yet.
    pub again: usize,
    /// Adapters that differ from those of an uninterrupted run.
    pub differences: usize,
}

impl Summary {
    /// One line.
    pub fn line(&self, seed: u64) -> String {
        let Self { kills, writing, trainings, resumed, again, differences } = self;
        format!(
            "{kills} kills ({writing} while a checkpoint was written) in {trainings} runs, seed {seed}: {resumed} resumed from a \
             checkpoint, {again} restarted before the first one, {differences} differences"
        )
    }
}

/// SplitMix64: the same moments for the same seed, as far as the machine's timing repeats.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// An uninterrupted run: its adapter, its duration, and the time until its first checkpoint.
struct Whole {
    adapter: Vec<(String, Vec<u8>)>,
    took: Duration,
    first: Duration,
}

/// When a process is killed.
enum Moment {
    /// After some time, wherever it is then.
    After(Duration),
    /// While a checkpoint is written: the n-th that is seen on the disk.
    Writing(u64),
}

/// Kills runs of `program` until there were `kills` kills and the last run is finished. Works in `folder`, which is not removed.
///
/// # Errors
/// A program that does not start, fails, or hangs, with its output.
pub fn soak(program: &Path, encoder: &Path, folder: &Path, kills: usize, seed: u64) -> Result<Summary, String> {
    let place = Place { program, encoder, folder };
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    place.write("data.csv", &csv(0..60))?;
    place.write("held.csv", &csv(60..84))?;
    let mut random = Random(seed);
    let mut summary = Summary::default();
    let mut known: [Option<Whole>; METHODS.len()] = Default::default();
    while summary.kills < kills {
        let at = summary.trainings % METHODS.len();
        if known[at].is_none() {
            known[at] = Some(place.whole(METHODS[at])?);
        }
        let whole = known[at].as_ref().expect("it was just made");
        place.broken(METHODS[at], whole, kills, &mut random, &mut summary)?;
    }
    Ok(summary)
}

struct Place<'a> {
    program: &'a Path,
    encoder: &'a Path,
    folder: &'a Path,
}

impl Place<'_> {
    fn write(&self, name: &str, content: &str) -> Result<(), String> {
        fs::write(self.folder.join(name), content).map_err(|error| format!("{name}: {error}"))
    }

    fn start(&self, arguments: &[&str]) -> Result<Child, String> {
        let mut command = Command::new(self.program);
        command.args(["train", "data.csv", "--model"]).arg(self.encoder).args(arguments);
        command.current_dir(self.folder).env("SOFTPROMPT_OFFLINE", "1");
        let log = fs::File::create(self.folder.join("stderr.txt")).map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().map_err(|error| format!("{}: {error}", self.program.display()))
    }

    fn arguments<'b>(method: &[&'b str], out: &'b str) -> Vec<&'b str> {
        [method, &SHARED, &["--steps", STEPS, "--out", out]].concat()
    }

    /// The path of a run's checkpoint.
    fn checkpoint(&self, out: &str) -> PathBuf {
        self.folder.join(format!("{out}.checkpoint"))
    }

    fn failed(&self, what: &str) -> String {
        let said = fs::read_to_string(self.folder.join("stderr.txt")).unwrap_or_default();
        format!("{what}: {}", said.trim())
    }

    /// An uninterrupted run.
    fn whole(&self, method: &[&str]) -> Result<Whole, String> {
        let begin = Instant::now();
        let mut child = self.start(&Self::arguments(method, "whole"))?;
        let mut first = None;
        let status = loop {
            if first.is_none() && self.checkpoint("whole").exists() {
                first = Some(begin.elapsed());
            }
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                break status;
            }
            if begin.elapsed() > PATIENCE {
                kill(&mut child);
                return Err(self.failed("an uninterrupted run hangs"));
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        if !status.success() {
            return Err(self.failed(&format!("an uninterrupted run failed ({status})")));
        }
        let took = begin.elapsed();
        let adapter = self.adapter("whole")?;
        fs::remove_dir_all(self.folder.join("whole")).map_err(|error| error.to_string())?;
        Ok(Whole { adapter, took, first: first.unwrap_or(took) })
    }

    /// All files of an adapter, by name.
    fn adapter(&self, out: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        let read = || -> std::io::Result<Vec<(String, Vec<u8>)>> {
            let mut files = Vec::new();
            for entry in fs::read_dir(self.folder.join(out))? {
                let entry = entry?;
                files.push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?));
            }
            files.sort();
            Ok(files)
        };
        read().map_err(|error| format!("{out}: {error}"))
    }

    /// A run that is killed several times and then finishes.
    fn broken(
        &self,
        method: &[&str],
        whole: &Whole,
        kills: usize,
        random: &mut Random,
        summary: &mut Summary,
    ) -> Result<(), String> {
        // Each has its own name, so that one cannot use the files of another.
        let out = format!("adapter-{}", summary.trainings);
        let mut story = String::new();
        for time in 0.. {
            let resume = self.checkpoint(&out).is_file();
            let arguments = match resume {
                true => {
                    let held_out = method.iter().position(|word| *word == "--held-out").map_or(&[][..], |at| &method[at..at + 2]);
                    [&["--resume", "--out", &out][..], held_out].concat()
                }
                false => Self::arguments(method, &out),
            };
            if time > 0 {
                *(if resume { &mut summary.resumed } else { &mut summary.again }) += 1;
            }
            let mut child = self.start(&arguments)?;
            let moment = (time < MOST && summary.kills < kills).then(|| match random.next() % 5 {
                // A program needs some time to start; further kills during the start are not informative.
                0 => Moment::After(whole.first.mul_f64(0.3 + 0.8 * random.share())),
                1 | 2 => Moment::After(whole.took.mul_f64(random.share())),
                _ => Moment::Writing(1 + random.next() % 4),
            });
            let over = self.watch(&mut child, moment.as_ref(), &out)?;
            if over {
                break;
            }
            summary.kills += 1;
            // The temporary file of a checkpoint exists only while it is written.
            let writing = self.unfinished(&out, child.id()).exists();
            summary.writing += usize::from(writing);
            let _ = write!(
                story,
                "{}{}, ",
                if resume { "resumed, killed" } else { "started, killed" },
                if writing { " writing" } else { "" }
            );
        }
        summary.trainings += 1;
        let found = self.adapter(&out)?;
        if found == whole.adapter {
            fs::remove_dir_all(self.folder.join(&out)).map_err(|error| error.to_string())?;
        } else {
            summary.differences += 1;
            let other = found.iter().zip(&whole.adapter).filter(|(a, b)| a != b).map(|(file, _)| file.0.as_str());
            let names = other.collect::<Vec<_>>().join(", ");
            self.write(&format!("{out}.txt"), &format!("{}\n{story}\nother files: {names}\n", method.join(" ")))?;
            let expected = self.folder.join(format!("{out}-expected"));
            let written = fs::create_dir_all(&expected)
                .and_then(|()| whole.adapter.iter().try_for_each(|(name, bytes)| fs::write(expected.join(name), bytes)));
            written.map_err(|error| error.to_string())?;
        }
        let left = self.left(&out)?;
        match left.is_empty() {
            true => Ok(()),
            false => Err(format!("{out} is finished, but {} still exists", left.join(", "))),
        }
    }

    /// Remaining files of checkpoints, and the lock.
    fn left(&self, out: &str) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(self.folder).map_err(|error| error.to_string())?;
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        Ok(names.filter(|name| name.starts_with(&format!("{out}.checkpoint")) || *name == format!("{out}.lock")).collect())
    }

    fn unfinished(&self, out: &str, id: u32) -> PathBuf {
        self.folder.join(format!("{out}.checkpoint.{id}"))
    }

    /// Waits for a process to end, or kills it at its moment; returns whether it finished.
    fn watch(&self, child: &mut Child, moment: Option<&Moment>, out: &str) -> Result<bool, String> {
        let begin = Instant::now();
        let unfinished = self.unfinished(out, child.id());
        let (mut seen, mut there) = (0, false);
        loop {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                if status.success() {
                    return Ok(true);
                }
                return Err(self.failed(&format!("a run failed before it was killed ({status})")));
            }
            let now = match moment {
                Some(Moment::After(time)) => begin.elapsed() >= *time,
                Some(Moment::Writing(which)) => {
                    let exists = unfinished.exists();
                    seen += u64::from(exists && !there);
                    there = exists;
                    exists && seen >= *which
                }
                None => false,
            };
            if now {
                kill(child);
                return Ok(false);
            }
            if begin.elapsed() > PATIENCE {
                kill(child);
                return Err(self.failed("a run hangs"));
            }
            match moment {
                // A checkpoint is written in less than a millisecond.
                Some(Moment::Writing(_)) => std::hint::spin_loop(),
                _ => std::thread::sleep(Duration::from_micros(200)),
            }
        }
    }
}

fn kill(child: &mut Child) {
    // SIGKILL: no handler runs.
    let _ = child.kill();
    let _ = child.wait();
}

/// Rows of three classes, of words that the tiny encoder knows; no text occurs twice.
fn csv(rows: std::ops::Range<usize>) -> String {
    let words = [["card", "lost", "bank"], ["play", "song", "happy"], ["rain", "cold", "weather"]];
    let row = |i: usize| {
        let word = |k: usize| words[i % 3][(i / 3 + k) % 3];
        format!("the {} {} number {i},{}\n", word(0), word(i % 2 + 1), ["bank", "music", "weather"][i % 3])
    };
    rows.fold(String::from("text,label\n"), |text, i| text + &row(i))
}
