//! The model hub: the files of an encoder at one commit, each downloaded with its size and checksum verified.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::cli::files::{self, Limit};
use crate::cli::progress::Download;
use crate::error::{Error, Result};
use crate::model::config;
use crate::model::folder::choose;

const HUB: &str = "https://huggingface.co";
/// Hint for errors of the network.
pub(crate) const NO_NETWORK: &str = "check the network (a proxy is taken from HTTPS_PROXY), or put config.json, tokenizer.json and \
                          model.safetensors into a folder and pass --model FOLDER";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The hub's answer, without unused fields.
#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Option<String>,
    size: Option<u64>,
}

/// Expected size and checksum of a file, from the hub.
struct Expected {
    /// Bytes.
    size: u64,
    checksum: Checksum,
}

enum Checksum {
    /// For large files.
    Sha256(String),
    /// Git's object id, for all other files: the SHA-1 of a header and the content.
    Git(String),
}

/// Downloads the current version of the encoder `id` into the folder `target`: all files of one commit, verified with the hub's
/// sizes and checksums. Small files come first, and `config.json` is checked before anything large is downloaded.
///
/// # Errors
/// [`Error::Io`] with the hub's answer or how a file differs; [`Error::Model`] if the encoder is not supported.
pub(crate) fn fetch(id: &str, target: &Path, download: Download) -> Result<()> {
    let hub = std::env::var("SOFTPROMPT_HUB").ok().filter(|hub| !hub.is_empty()).unwrap_or_else(|| HUB.to_owned());
    let (hub, agent) = (hub.trim_end_matches('/'), agent());
    let answer = look_up(&agent, hub, id)?;
    let paths: Vec<String> = answer.siblings.iter().map(|file| file.rfilename.clone()).filter(|path| is_plain(path)).collect();
    let choice = choose(&paths).map_err(|error| error.of_model(id))?;
    download.note(&format!("{id} at commit {}", &answer.sha[..12]));
    for path in choice.files() {
        let address = format!("{hub}/{id}/resolve/{}/{path}", answer.sha);
        let expected = answer.expected(path).ok_or_else(|| Error::Io {
            path: address.clone(),
            problem: "the hub gives no size or checksum for this file".to_owned(),
            hint: "download it in a browser, with the other files, and pass --model FOLDER".to_owned(),
        })?;
        let name = path.rsplit('/').next().unwrap_or(path);
        get(&agent, &address, &target.join(name), &expected, download)?;
        if path == choice.config {
            config::parse(&files::read(&target.join(name), Limit::ENCODER)?).map_err(|error| error.of_model(id))?;
        }
    }
    Ok(())
}

fn agent() -> ureq::Agent {
    let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build();
    ureq::Agent::config_builder()
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(STALL_TIMEOUT))
        .timeout_per_read(Some(STALL_TIMEOUT))
        .user_agent(concat!("softprompt/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build()
        .new_agent()
}

/// The current commit of `main`, and its files.
fn look_up(agent: &ureq::Agent, hub: &str, id: &str) -> Result<Answer> {
    let address = format!("{hub}/api/models/{id}/revision/main?blobs=true");
    let failed = |problem: String, hint: &str| Error::Io { path: address.clone(), problem, hint: hint.to_owned() };
    let mut response = agent.get(&address).call().map_err(|error| match error {
        ureq::Error::StatusCode(401 | 403 | 404) => failed(
            "the hub has no such public encoder".to_owned(),
            "check the id; if the encoder requires an account, download it in a browser and pass --model FOLDER",
        ),
        error => failed(error.to_string(), NO_NETWORK),
    })?;
    let bytes = response
        .body_mut()
        .read_to_vec()
        .map_err(|error| failed(format!("the connection was interrupted: {error}"), NO_NETWORK))?;
    let answer: Option<Answer> = serde_json::from_slice(&bytes).ok();
    answer.filter(|answer| is_hexadecimal(&answer.sha, 40)).ok_or_else(|| {
        failed("the hub did not answer with a list of files".to_owned(), "try again later, or pass --model FOLDER")
    })
}

impl Answer {
    fn expected(&self, path: &str) -> Option<Expected> {
        let file = self.siblings.iter().find(|file| file.rfilename == path)?;
        let checksum = match &file.lfs {
            Some(Lfs { sha256: Some(sha256), .. }) if is_hexadecimal(sha256, 64) => Checksum::Sha256(sha256.clone()),
            Some(_) => return None,
            None => Checksum::Git(file.blob_id.clone().filter(|id| is_hexadecimal(id, 40))?),
        };
        let size = file.lfs.as_ref().and_then(|lfs| lfs.size).or(file.size)?;
        Some(Expected { size, checksum })
    }
}

/// Whether a path stays inside the repository and is a valid file name on every system.
fn is_plain(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_. ".contains(c))
    };
    path.split('/').all(part)
}

fn is_hexadecimal(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Downloads one file and verifies it.
fn get(agent: &ureq::Agent, address: &str, path: &Path, expected: &Expected, download: Download) -> Result<()> {
    let failed = |problem: String, hint: &str| Error::Io { path: address.to_owned(), problem, hint: hint.to_owned() };
    let response = agent.get(address).call().map_err(|error| match error {
        ureq::Error::StatusCode(status) => failed(format!("the hub answered with status {status}"), "try again later"),
        error => failed(error.to_string(), NO_NETWORK),
    })?;
    let mut hash = Hash::new(expected);
    // Reading one byte more than expected detects a file that is too long.
    let mut body = response.into_body().into_reader().take(expected.size.saturating_add(1));
    let size = save(&mut body, path, Some(expected.size), download, |bytes| hash.update(bytes))
        .map_err(|error| failed(format!("the download was interrupted: {error}"), NO_NETWORK))?;
    let again = "try again; if it happens again, a proxy may be changing the downloaded files";
    if size < expected.size {
        return Err(failed(format!("the download was interrupted after {size} of {} bytes", expected.size), NO_NETWORK));
    }
    if size > expected.size {
        return Err(failed(format!("the file is longer than the {} bytes stated by the hub", expected.size), again));
    }
    hash.check(&expected.checksum).map_err(|problem| failed(problem, again))
}

/// Copies a stream to a file, flushes it to the disk, and returns its length in bytes. `seen` receives every chunk.
pub(crate) fn save(
    source: &mut impl Read,
    path: &Path,
    size: Option<u64>,
    download: Download,
    mut seen: impl FnMut(&[u8]),
) -> std::io::Result<u64> {
    let bar = download.file(&path.file_name().unwrap_or_default().to_string_lossy(), size);
    let mut file = File::create(path)?;
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0;
    loop {
        let n = source.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        file.write_all(&buffer[..n])?;
        seen(&buffer[..n]);
        total += n as u64;
        bar.set_position(total);
    }
    file.sync_all()?;
    bar.finish_and_clear();
    Ok(total)
}

/// A checksum in progress.
enum Hash {
    Sha256(sha2::Sha256),
    Git(sha1::Sha1),
}

impl Hash {
    fn new(expected: &Expected) -> Self {
        match expected.checksum {
            Checksum::Sha256(_) => Self::Sha256(sha2::Digest::new()),
            Checksum::Git(_) => {
                let line = format!("blob {}\0", expected.size);
                Self::Git(sha1::Digest::chain_update(<sha1::Sha1 as sha1::Digest>::new(), line))
            }
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => sha2::Digest::update(hash, bytes),
            Self::Git(hash) => sha1::Digest::update(hash, bytes),
        }
    }

    /// # Errors
    /// A message that says how it differs.
    fn check(self, expected: &Checksum) -> std::result::Result<(), String> {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let (kind, found) = match self {
            Self::Sha256(hash) => ("SHA-256", hex(&sha2::Digest::finalize(hash)[..])),
            Self::Git(hash) => ("git id", hex(&sha1::Digest::finalize(hash)[..])),
        };
        let (Checksum::Sha256(expected) | Checksum::Git(expected)) = expected;
        if found == *expected {
            return Ok(());
        }
        Err(format!("the {kind} of the downloaded file is {found}, but the hub states {expected}"))
    }
}
