//! What the tests share: a running server, requests, and the command line beside it.

#![allow(dead_code)] // each test file uses its own part

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

pub const SERVER: &str = env!("CARGO_BIN_EXE_ror-serve");

pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The photos of the tests, in order.
pub fn photos() -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(root().join("tests/photos")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let one = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    };
    paths.iter().map(one).collect()
}

/// An aligned crop, which is predicted quickly.
pub fn crop() -> Vec<u8> {
    let place = tempfile::TempDir::new().unwrap();
    synthetic::write_folder(place.path(), &synthetic::population(1, 3)).unwrap();
    let entry = std::fs::read_dir(place.path()).unwrap().next().unwrap().unwrap();
    std::fs::read(entry.path()).unwrap()
}

/// The lines of `ror predict --json` for files in a folder. The program is beside the server's:
/// `make setup` compiles it, and so does `cargo build -p ror-cli`.
pub fn command_line(folder: &Path, options: &[&str], names: &[String]) -> Vec<String> {
    let program = Path::new(SERVER).with_file_name("ror");
    assert!(program.exists(), "no {}: run make setup", program.display());
    let output = Command::new(program)
        .current_dir(folder)
        .env("ROR_MODELS", root().join("models"))
        .args(["predict", "--json"])
        .args(options)
        .args(names)
        .output()
        .unwrap();
    let lines: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), names.len(), "{}", String::from_utf8_lossy(&output.stderr));
    lines
}

/// A server that is ended when this is dropped.
pub struct Running {
    child: Child,
    pub address: SocketAddr,
    /// What it printed at the start.
    pub said: String,
    _stderr: BufReader<ChildStderr>,
}

impl Running {
    pub fn start(options: &[&str]) -> Self {
        let mut child = Command::new(SERVER)
            .args(["--port", "0"])
            .args(options)
            .env("ROR_MODELS", root().join("models"))
            .env_remove("ROR_TOKEN")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        stderr.read_line(&mut said).unwrap();
        let mut port =
            said.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u16>().ok());
        let port = port.find(|port| *port > 1024).unwrap_or_else(|| panic!("{said}"));
        Self { child, address: ([127, 0, 0, 1], port).into(), said, _stderr: stderr }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream
    }

    /// Sends a request with further header lines, each ending with `\r\n`.
    pub fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
        let mut stream = self.connect();
        stream.write_all(&head(method, path, headers, body.len())).unwrap();
        let _ = stream.write_all(body); // the answer to a refused one may come earlier
        Reply::read(stream).unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", b"")
    }

    pub fn predict(&self, image: &[u8]) -> Reply {
        self.send("POST", "/v1/predict", "", image)
    }

    pub fn predict_form(&self, query: &str, images: &[(String, Vec<u8>)]) -> Reply {
        let (headers, body) = form(images);
        self.send("POST", &format!("/v1/predict{query}"), &headers, &body)
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
    }

    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Kilobytes of memory in use.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The head of a request for one answer.
pub fn head(method: &str, path: &str, headers: &str, length: usize) -> Vec<u8> {
    let host = if headers.contains("Host:") { "" } else { "Host: localhost\r\n" };
    format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {length}\r\n{headers}\r\n")
        .into_bytes()
}

/// The headers and body of a form.
pub fn form(images: &[(String, Vec<u8>)]) -> (String, Vec<u8>) {
    let mut body = vec![];
    for (name, image) in images {
        let part = format!(
            "--frontier\r\nContent-Disposition: form-data; name=\"images\"; filename=\"{name}\"\r\n\r\n"
        );
        body.extend([part.as_bytes(), image, b"\r\n"].concat());
    }
    body.extend(b"--frontier--\r\n");
    ("Content-Type: multipart/form-data; boundary=frontier\r\n".to_owned(), body)
}

pub struct Reply {
    pub status: u16,
    /// The header lines in lower case.
    pub headers: String,
    pub body: String,
}

impl Reply {
    /// Reads an answer to the end of the connection; `None` if there is none.
    pub fn read(mut stream: TcpStream) -> Option<Self> {
        let mut bytes = vec![];
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, headers: head.to_lowercase(), body: body.to_owned() })
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}", self.body))
    }

    /// What is wrong, by a refusal.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("{}", self.body)).to_owned()
    }
}
