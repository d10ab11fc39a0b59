//! Recognises files whose content is not what their name says, such as a Git LFS pointer, a web page or a pickle, by their first
//! bytes. The error then says what the file is instead of where a parser failed.

/// Number of bytes that are examined to distinguish text from binary data.
const LOOK: usize = 512;
/// Number of characters of a text that an error quotes.
const QUOTED: usize = 60;
/// Maximum size of a server's error message in place of a file.
const ANSWER: usize = 4096;

const AGAIN: &str = "download the complete file again";
/// How to convert weights of PyTorch and TensorFlow to safetensors.
pub(crate) const CONVERT: &str = "convert it to safetensors, in the folder: `python -c \"from transformers import AutoModel, \
     AutoTokenizer as T; AutoModel.from_pretrained('.').save_pretrained('.'); T.from_pretrained('.').save_pretrained('.')\"` \
     (with from_tf=True or from_flax=True for TensorFlow or Flax weights), or look for a model.safetensors on the model's page";

/// The expected content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meant {
    /// JSON or plain text.
    Text,
    /// Tensors.
    Safetensors,
}

/// What the file is instead, as the end of a sentence (`is empty`), and what to do. `None` if the file may have the expected
/// content.
#[must_use]
pub(crate) fn recognise(bytes: &[u8], meant: Meant) -> Option<(String, &'static str)> {
    if meant == Meant::Safetensors && is_header(bytes) {
        return None;
    }
    if bytes.is_empty() {
        return Some(("is empty".into(), AGAIN));
    }
    if bytes.iter().all(|&byte| byte == 0) {
        return Some((format!("contains only zero bytes ({}), as after an interrupted download", bytes.len()), AGAIN));
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return Some((pointer(bytes), "run `git lfs pull` in its folder, or download the file itself from the model's page"));
    }
    if let Some((what, hint)) = container(bytes) {
        return Some((format!("is {what}"), hint));
    }
    let text = text(bytes)?;
    let start = text.trim_start().to_ascii_lowercase();
    if ["<!doctype", "<html", "<head", "<body", "<?xml", "<error"].iter().any(|tag| start.starts_with(tag)) {
        let hint = "download the file itself: with `resolve` instead of `blob` in the address, or with the download button next to its name";
        return Some((format!("is a web page ({})", excerpt(text)), hint));
    }
    // Error messages of servers in place of a file: a sentence, or an object with an error.
    let refused =
        ["entry not found", "not found", "404", "403", "401", "access to model", "invalid username", "invalid credentials"];
    let sentence = refused.iter().any(|words| start.starts_with(words));
    let object = bytes.len() <= ANSWER && start.starts_with("{\"error\"");
    if sentence || object || meant == Meant::Safetensors && bytes.len() <= ANSWER {
        return Some((
            format!("contains the text \"{}\"", excerpt(text)),
            "download the file itself; this may be the error message of a server",
        ));
    }
    None
}

/// Whether this is the beginning of a safetensors file: the length of its header, and the header.
fn is_header(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return false };
    u64::from_le_bytes(*length) <= rest.len() as u64 && rest.first() == Some(&b'{')
}

/// `is a Git LFS pointer`, with the size of the actual file.
fn pointer(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LOOK)]);
    let size = text.lines().find_map(|line| line.strip_prefix("size ")).and_then(|size| size.trim().parse::<u64>().ok());
    let size = size.map(|size| format!(" ({size} bytes)")).unwrap_or_default();
    format!("is a Git LFS pointer, not the file itself{size}")
}

/// Formats that are recognised by their first bytes.
fn container(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const UNPACK: &str = "unpack it";
    const OTHER: &str = "download config.json, tokenizer.json and model.safetensors from the model's page";
    let known: [(&[u8], &str, &str); 15] = [
        (b"PK\x03\x04", "a zip archive, or weights written by torch.save", CONVERT),
        (b"\x80\x02", "a Python pickle, as written by torch.save", CONVERT),
        (b"\x80\x03", "a Python pickle, as written by torch.save", CONVERT),
        (b"\x80\x04", "a Python pickle, as written by torch.save", CONVERT),
        (b"\x89HDF", "an HDF5 file, as written by TensorFlow", CONVERT),
        (b"GGUF", "a GGUF file", OTHER),
        (b"\x1f\x8b", "compressed with gzip", UNPACK),
        (b"BZh", "compressed with bzip2", UNPACK),
        (b"\xfd7zXZ", "compressed with xz", UNPACK),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd", UNPACK),
        (b"7z\xbc\xaf", "a 7-Zip archive", UNPACK),
        (b"Rar!", "a RAR archive", UNPACK),
        (b"%PDF", "a PDF", OTHER),
        (b"\x89PNG", "an image", OTHER),
        (b"\xff\xfe", "text in UTF-16", "save it as UTF-8"),
    ];
    if let Some(&(_, what, hint)) = known.iter().find(|(start, ..)| bytes.starts_with(start)) {
        return Some((what, hint));
    }
    if bytes.starts_with(b"\xfe\xff") {
        return Some(("text in UTF-16", "save it as UTF-8"));
    }
    // A tar archive has its signature after the first name; ONNX has its version first, then the name of its producer.
    match bytes {
        _ if bytes.get(257..262) == Some(b"ustar") => Some(("a tar archive", UNPACK)),
        [8, 1..=15, 18, ..] => Some(("an ONNX file", OTHER)),
        _ => None,
    }
}

/// The beginning of a file as text, if it is text.
fn text(bytes: &[u8]) -> Option<&str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let look = &bytes[..bytes.len().min(LOOK)];
    let text = match str::from_utf8(look) {
        Ok(text) => text,
        // The sample ends inside a character.
        Err(error) if error.error_len().is_none() => str::from_utf8(&look[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    text.chars().all(|c| !c.is_control() || c.is_whitespace()).then_some(text)
}

/// A few words of a text, on one line.
fn excerpt(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = words.chars().take(QUOTED).collect();
    if short.len() < words.len() { format!("{short}…") } else { short }
}
