//! Programs of the operating system: finds them and, on Debian and Ubuntu, installs them if permitted.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::process::{answer, run, which};

/// Oldest major version of Node.js that the page's build tool runs on.
const NODE: u32 = 20;

/// A program that the operating system provides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Node.js with npm.
    Node,
    /// `pip`, which downloads the default encoder if the hub cannot be reached.
    Pip,
    /// A Vulkan driver; Mesa's lavapipe is one for machines without a GPU.
    Vulkan,
    /// Chromium or Chrome.
    Chromium,
    /// The matching driver.
    ChromeDriver,
}

impl Program {
    fn is_there(self) -> bool {
        match self {
            Self::Node => node_version().is_some_and(|major| major >= NODE) && which("npm").is_some(),
            Self::Pip => {
                ["python3", "python"].iter().any(|python| answer(Command::new(python).args(["-m", "pip", "--version"])).is_some())
            }
            // Elsewhere, the GPU's interface is part of the system (Metal, DX12).
            Self::Vulkan => !cfg!(target_os = "linux") || vulkan_driver(),
            Self::Chromium => chromium().is_some(),
            Self::ChromeDriver => chromedriver().is_some(),
        }
    }

    fn debian_packages(self) -> &'static [&'static str] {
        match self {
            Self::Node => &["nodejs", "npm"],
            Self::Pip => &["python3-pip"],
            Self::Vulkan => &["mesa-vulkan-drivers", "libvulkan1"],
            Self::Chromium => &["chromium"],
            Self::ChromeDriver => &["chromium-driver"],
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Node => "Node.js 20 or newer with npm",
            Self::Pip => "Python 3 with pip",
            Self::Vulkan => "a Vulkan driver (Mesa's lavapipe needs no GPU)",
            Self::Chromium => "Chromium or Chrome (or set CHROMIUM to its path)",
            Self::ChromeDriver => "chromedriver of the browser's version (or set CHROMEDRIVER to its path)",
        }
    }
}

/// Makes sure that all of these are installed.
///
/// # Errors
/// What is missing, and the exact command that installs it if it cannot be installed automatically.
pub fn provide(programs: &[Program]) -> Result<()> {
    let missing: Vec<Program> = programs.iter().copied().filter(|p| !p.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let wanted = missing.iter().map(|p| p.advice()).collect::<Vec<_>>().join("; ");
    if !cfg!(target_os = "linux") || which("apt-get").is_none() {
        return Err(format!("please install: {wanted}"));
    }
    let packages: Vec<&str> = missing.iter().flat_map(|p| p.debian_packages()).copied().collect();
    let by_hand = format!("sudo apt-get update && sudo apt-get install --no-install-recommends {}", packages.join(" "));
    let Some(prefix) = superuser() else { return Err(format!("missing: {wanted}. Please run\n\n    {by_hand}\n")) };
    println!("  installing system packages: {}", packages.join(" "));
    let apt = |args: &[&str]| {
        let words: Vec<&str> =
            prefix.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]).collect();
        run(Command::new(words[0]).args(&words[1..]).args(args))
    };
    let install: Vec<&str> = ["install", "-y", "--no-install-recommends"].into_iter().chain(packages.iter().copied()).collect();
    apt(&["update"]).and_then(|()| apt(&install)).map_err(|e| format!("{e}. By hand:\n\n    {by_hand}\n"))?;
    match missing.iter().find(|p| !p.is_there()) {
        None => Ok(()),
        Some(still) => Err(format!("the packages are installed, but this is still missing: {}", still.advice())),
    }
}

/// The prefix of a command that needs root: empty, `sudo`, or `None` if not permitted.
fn superuser() -> Option<Vec<&'static str>> {
    if answer(Command::new("id").arg("-u")).as_deref() == Some("0") {
        return Some(Vec::new());
    }
    // Only if sudo asks for no password: a prompt in the middle of a build would go unnoticed.
    answer(Command::new("sudo").args(["-n", "true"])).map(|_| vec!["sudo", "-n"])
}

fn node_version() -> Option<u32> {
    answer(Command::new("node").arg("--version"))?.trim_start_matches('v').split('.').next()?.parse().ok()
}

fn vulkan_driver() -> bool {
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()));
    let lists = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];
    // Mesa's package also contains drivers for absent GPUs; only lavapipe and NVIDIA's are certain to work.
    let works = |name: &str| name.starts_with("lvp_icd") || name.starts_with("nvidia_icd");
    let listed = lists.iter().filter_map(|folder| Path::new(folder).read_dir().ok()).flatten().flatten();
    named || listed.into_iter().any(|file| works(&file.file_name().to_string_lossy()))
}

/// The browser.
pub fn chromium() -> Option<PathBuf> {
    let mac = PathBuf::from("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let found = || {
        ["chromium", "google-chrome", "google-chrome-stable", "chromium-browser", "chrome"].iter().find_map(|name| which(name))
    };
    named.or_else(found).or_else(|| mac.is_file().then_some(mac))
}

/// The browser's driver.
pub fn chromedriver() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMEDRIVER").map(PathBuf::from);
    // Where GitHub's runners have it.
    let github =
        || std::env::var_os("CHROMEWEBDRIVER").map(|folder| PathBuf::from(folder).join("chromedriver")).filter(|p| p.is_file());
    named.or_else(|| which("chromedriver")).or_else(github)
}
