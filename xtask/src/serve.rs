//! A static file server for the built page, reachable only from this machine.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Result;

/// Listens on the port, only for this machine.
pub fn listen(port: u16) -> Result<TcpListener> {
    let other = port.wrapping_add(1);
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|e| format!("port {port}: {e}. To use another one: cargo xtask serve --port {other}"))
}

/// Serves a folder until it is killed.
pub fn serve(folder: &Path, listener: &TcpListener) -> Result<()> {
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let policy =
        std::fs::read_to_string(folder.join("index.html")).ok().and_then(|page| security_policy(&page)).unwrap_or_default();
    println!("\nThe page is at http://{address}/ (press Ctrl-C to stop)");
    for stream in listener.incoming().flatten() {
        let (folder, policy) = (folder.to_path_buf(), policy.clone());
        // A failed connection (such as a closed browser tab) must not end the server or fill the terminal.
        std::thread::spawn(move || answer(&folder, &policy, stream).ok());
    }
    Ok(())
}

fn answer(folder: &Path, policy: &str, stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    // The headers are not used but must be read: closing a connection with unread bytes resets it.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut out = stream;
    let refuse = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    if method != "GET" && method != "HEAD" {
        return out.write_all(refuse("405 Method Not Allowed").as_bytes());
    }
    let found = resolve(folder, target).and_then(|path| File::open(&path).ok().map(|file| (path, file)));
    let Some((path, mut file)) = found else { return out.write_all(refuse("404 Not Found").as_bytes()) };
    let policy = if policy.is_empty() { String::new() } else { format!("Content-Security-Policy: {policy}\r\n") };
    let (media, length) = (media_type(&path), file.metadata()?.len());
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {length}\r\nCache-Control: no-cache\r\n\
         X-Content-Type-Options: nosniff\r\n{policy}Connection: close\r\n\r\n"
    );
    out.write_all(head.as_bytes())?;
    if method == "GET" {
        std::io::copy(&mut file, &mut out)?;
    }
    Ok(())
}

/// The policy in the page. A worker has the policy of its own response instead of its page's, so every response contains it.
fn security_policy(page: &str) -> Option<String> {
    let rest = page.split_once("http-equiv=\"Content-Security-Policy\"")?.1;
    let policy = rest.split_once("content=\"")?.1.split_once('"')?.0;
    let policy = policy.replace("&#39;", "'").replace("&amp;", "&");
    (!policy.contains(['\r', '\n'])).then_some(policy)
}

/// The file of a request's target, if it is inside the folder.
fn resolve(folder: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?.strip_prefix('/')?;
    let mut file = folder.to_path_buf();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        // The page's file names are plain; anything else is not a request of the page.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+@".contains(c);
        if part == "." || part == ".." || !part.chars().all(plain) {
            return None;
        }
        file.push(part);
    }
    if file.is_dir() {
        file.push("index.html");
    }
    file.is_file().then_some(file)
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "csv" => "text/csv; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::path::Path;

    use super::{answer, resolve, security_policy};

    /// A folder `dist` with a page, a file beside it that must stay private.
    fn folder(name: &str) -> std::path::PathBuf {
        let top = std::env::temp_dir().join(format!("softprompt-xtask-{}-{name}", std::process::id()));
        std::fs::create_dir_all(top.join("dist/assets")).unwrap();
        std::fs::write(top.join("dist/index.html"), "<p>page</p>").unwrap();
        std::fs::write(top.join("dist/assets/a-1.wasm"), [0, 97, 115, 109]).unwrap();
        std::fs::write(top.join("secret"), "secret").unwrap();
        top
    }

    fn get(folder: &Path, request: &str) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        answer(folder, "default-src 'none'", listener.accept().unwrap().0).unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn serves_files_with_their_types() {
        let top = folder("types");
        let dist = top.join("dist");
        let page = get(&dist, "GET /?x=1 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html") && page.ends_with("<p>page</p>"), "{page}");
        let wasm = get(&dist, "HEAD /assets/a-1.wasm HTTP/1.1\r\n\r\n");
        assert!(
            wasm.contains("application/wasm") && wasm.contains("Content-Length: 4\r\n") && wasm.ends_with("\r\n\r\n"),
            "{wasm}"
        );
        assert!(get(&dist, "GET /nothing HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(get(&dist, "POST / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
        std::fs::remove_dir_all(top).unwrap();
    }

    #[test]
    fn nothing_outside_the_folder() {
        let top = folder("outside");
        let dist = top.join("dist");
        assert!(resolve(&dist, "/index.html").is_some());
        for target in [
            "/../secret",
            "/assets/../../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "//../secret",
            "secret",
            "/assets\\..\\..\\secret",
        ] {
            assert_eq!(resolve(&dist, target), None, "{target}");
        }
        std::fs::remove_dir_all(top).unwrap();
    }

    #[test]
    fn the_policy_is_the_pages_own() {
        let page = r#"<head><meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self'">"#;
        assert_eq!(security_policy(page).as_deref(), Some("default-src 'none'; script-src 'self'"));
        assert_eq!(security_policy("<head>"), None);
    }
}
