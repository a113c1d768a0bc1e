//! A server that answers as GitHub's REST API does for one repository with four items.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The server; it ends with the process.
pub(crate) struct GitHub {
    port: u16,
    credentials: Arc<Mutex<Vec<String>>>,
}

impl GitHub {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let credentials = Arc::<Mutex<Vec<String>>>::default();
        let sent = Arc::clone(&credentials);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let sent = Arc::clone(&sent);
                std::thread::spawn(move || serve(&connection, &sent));
            }
        });
        Self { port, credentials }
    }

    /// URL of the repository `o/r`.
    pub(crate) fn repository(&self) -> String {
        format!("http://127.0.0.1:{}/o/r", self.port)
    }

    /// The Authorization of each request so far.
    pub(crate) fn credentials(&self) -> Vec<String> {
        self.credentials.lock().expect("nobody has panicked").clone()
    }
}

fn serve(connection: &TcpStream, sent: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(connection);
    loop {
        let mut line = String::new();
        if !matches!(reader.read_line(&mut line), Ok(read) if read > 0) {
            return;
        }
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut credential = String::new();
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).is_err() || header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("authorization")
            {
                value.trim().clone_into(&mut credential);
            }
        }
        sent.lock().expect("nobody has panicked").push(credential);
        let path = target.split('?').next().unwrap_or_default();
        let (status, body) = answer(path);
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut writer = connection;
        if writer.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(path: &str) -> (&'static str, Value) {
    let issues = issues();
    let rest = path.strip_prefix("/api/v3/repos/o/r/issues");
    match rest.map(|rest| rest.trim_start_matches('/')) {
        Some("") => ("200 OK", json!(issues)),
        Some(rest) => match rest.split_once('/') {
            Some((_, "comments")) => ("200 OK", json!([])),
            _ => issues
                .into_iter()
                .find(|issue| issue["number"] == rest.parse::<u64>().unwrap_or_default())
                .map_or(("404 Not Found", json!({ "message": "Not Found" })), |issue| {
                    ("200 OK", issue)
                }),
        },
        None => ("404 Not Found", json!({ "message": "Not Found" })),
    }
}

/// The items, the one that changed last first.
fn issues() -> Vec<Value> {
    [
        (9, "It crashes", &["bug"][..]),
        (8, "Too ugly", &["bug", "wontfix"]),
        (7, "Too slow", &["bug"]),
        (6, "Faster", &["bug"]),
    ]
    .into_iter()
    .map(|(number, title, labels)| {
        let labels: Vec<Value> = labels.iter().map(|label| json!({ "name": label })).collect();
        let mut issue = json!({
            "number": number, "title": title, "state": "open", "labels": labels, "assignees": [],
            "user": { "login": "ann", "type": "User" }, "body": format!("text of {number}"),
            "html_url": format!("https://github.com/o/r/issues/{number}"),
            "created_at": format!("2026-02-0{number}T00:00:00Z"),
            "updated_at": format!("2026-02-0{number}T00:00:00Z"),
        });
        if number == 6 {
            issue["pull_request"] = json!({ "url": "x" });
        }
        issue
    })
    .collect()
}
