//! MCP servers with the secrets filled in.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use axon_api::agents::setup::{McpServer, McpTransport};
use axon_api::run::RunMcpServer;
use axon_api::variables;
use serde_json::{Value, json};

use crate::environment::Environment;
use crate::failure::{Failure, SETUP_FAILED};

/// An MCP server cannot be made of what is said about it.
pub(crate) const INVALID_MCP_SERVER: &str = "InvalidMcpServer";

/// A Secret has at most this many bytes.
const MAX_SECRET: u64 = 1024 * 1024;

/// The server with the keys of its Secret, which win over what stands in the description.
pub(crate) fn resolve(run: &RunMcpServer, environment: &Environment) -> Result<McpServer, Failure> {
    let mut server = run.server.clone();
    let secret = match run.secret {
        Some(number) => secret(number, environment)?,
        None => BTreeMap::new(),
    };
    match &mut server.transport {
        McpTransport::Stdio { command, args, env } => {
            env.extend(secret);
            for text in args.iter().chain(Some(&*command)) {
                if text.contains('\0') {
                    return Err(invalid(&server.name, "has a zero byte in its command"));
                }
            }
            check_variables(&server.name, env)?;
        }
        McpTransport::Http { headers, .. } | McpTransport::Sse { headers, .. } => {
            for (name, value) in secret {
                // A header is one line; the line break is the editor's that wrote the file of
                // which the Secret was made.
                let value = value.trim_end_matches(['\r', '\n']).to_owned();
                headers.retain(|known, _| !known.eq_ignore_ascii_case(&name));
                headers.insert(name, value);
            }
            check_headers(&server.name, headers)?;
        }
    }
    Ok(server)
}

fn invalid(server: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(INVALID_MCP_SERVER, format!("the MCP server `{server}` {why}"))
}

fn check_variables(server: &str, variables: &BTreeMap<String, String>) -> Result<(), Failure> {
    for (name, value) in variables {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(invalid(
                server,
                format_args!("has the variable `{name}`, which cannot be one"),
            ));
        }
        if value.contains('\0') {
            return Err(invalid(
                server,
                format_args!("has a zero byte in the value of the variable `{name}`"),
            ));
        }
    }
    Ok(())
}

fn check_headers(server: &str, headers: &BTreeMap<String, String>) -> Result<(), Failure> {
    for (name, value) in headers {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(invalid(
                server,
                format_args!("has the header `{name}`, which cannot be one"),
            ));
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(invalid(
                server,
                format_args!(
                    "has a line break or another control character in the value of the header `{name}`"
                ),
            ));
        }
    }
    Ok(())
}

/// The keys of mounted Secret `number` and their values.
fn secret(number: usize, environment: &Environment) -> Result<BTreeMap<String, String>, Failure> {
    let variable = variables::secret_dir(number);
    let directory = environment
        .path(&variable)
        .ok_or_else(|| Failure::new(SETUP_FAILED, format!("`{variable}` is not set")))?;
    read_secret(&directory)
}

/// The keys of a Secret that is mounted at `directory`.
pub(crate) fn read_secret(directory: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let failed = |error: &std::io::Error| {
        Failure::io(
            SETUP_FAILED,
            format_args!("read the Secret at `{}`", directory.display()),
            error,
        )
    };
    let mut values = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        let name = entry.file_name();
        // The kubelet keeps the files in a directory `..data`, to which the keys are links.
        let Some(name) = name.to_str().filter(|name| !name.starts_with("..")) else {
            continue;
        };
        let path = entry.path();
        if !path.is_file() {
            continue;
        }
        let mut bytes = Vec::new();
        fs::File::open(&path)
            .and_then(|file| file.take(MAX_SECRET).read_to_end(&mut bytes))
            .map_err(|error| failed(&error))?;
        let value = String::from_utf8(bytes).map_err(|_| {
            Failure::new(
                SETUP_FAILED,
                format!("the key `{name}` of a Secret for MCP servers is not text (UTF-8)"),
            )
        })?;
        values.insert(name.to_owned(), value);
    }
    Ok(values)
}

/// The servers as custom images get them: `{"mcpServers": {NAME: {"type": ...}}}`.
pub(crate) fn document(servers: &[McpServer]) -> Value {
    let servers: serde_json::Map<String, Value> = servers
        .iter()
        .map(|server| {
            let value = match &server.transport {
                McpTransport::Stdio { command, args, env } => {
                    json!({"type": "stdio", "command": command, "args": args, "env": env})
                }
                McpTransport::Http { url, headers } => {
                    json!({"type": "http", "url": url, "headers": headers})
                }
                McpTransport::Sse { url, headers } => {
                    json!({"type": "sse", "url": url, "headers": headers})
                }
            };
            (server.name.clone(), value)
        })
        .collect();
    json!({"mcpServers": servers})
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A Secret as the kubelet mounts it.
    fn mounted(keys: &[(&str, &[u8])]) -> (tempfile::TempDir, Environment) {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("..2026")).expect("made");
        symlink("..2026", root.path().join("..data")).expect("linked");
        for (name, value) in keys {
            fs::write(root.path().join("..2026").join(name), value).expect("written");
            symlink(format!("..data/{name}"), root.path().join(name)).expect("linked");
        }
        let mut environment = Environment::default();
        environment.set("AXON_SECRET_DIR_0", root.path());
        (root, environment)
    }

    fn stdio(env: &[(&str, &str)]) -> RunMcpServer {
        RunMcpServer {
            server: McpServer {
                name: "tools".into(),
                transport: McpTransport::Stdio {
                    command: "node".into(),
                    args: Vec::new(),
                    env: env.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
                },
            },
            secret: Some(0),
        }
    }

    fn http(headers: &[(&str, &str)]) -> RunMcpServer {
        RunMcpServer {
            server: McpServer {
                name: "far".into(),
                transport: McpTransport::Http {
                    url: "http://h/mcp".into(),
                    headers: headers.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
                },
            },
            secret: Some(0),
        }
    }

    #[test]
    fn the_keys_of_the_secret_are_variables_byte_for_byte_and_win() {
        let (_root, environment) = mounted(&[("TOKEN", b"s3cret\n"), ("MORE", b"x")]);
        let server = resolve(&stdio(&[("TOKEN", "inline"), ("KEPT", "k")]), &environment).expect("resolved");
        let McpTransport::Stdio { env, .. } = server.transport else {
            panic!("the transport stays");
        };
        let pairs: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("KEPT", "k"), ("MORE", "x"), ("TOKEN", "s3cret\n")]);
    }

    #[test]
    fn the_keys_of_the_secret_are_headers_of_one_line_and_win_in_any_case() {
        let (_root, environment) = mounted(&[("authorization", b"Bearer s\r\n")]);
        let server = resolve(&http(&[("Authorization", "Bearer i")]), &environment).expect("resolved");
        assert_eq!(
            document(&[server]),
            json!({"mcpServers": {"far": {
                "type": "http", "url": "http://h/mcp", "headers": {"authorization": "Bearer s"}
            }}})
        );
    }

    #[test]
    fn what_cannot_be_a_header_or_variable_is_refused_without_its_value() {
        let refused = |run: &RunMcpServer, keys: &[(&str, &[u8])]| {
            let (_root, environment) = mounted(keys);
            resolve(run, &environment).expect_err("refused").message
        };
        for (message, part) in [
            (refused(&http(&[]), &[("Auth", b"a\nsecret")]), "header `Auth`"),
            (refused(&http(&[]), &[("a b", b"secret")]), "header `a b`"),
            (refused(&stdio(&[]), &[("A", b"secret\0")]), "variable `A`"),
            (refused(&stdio(&[]), &[("A", b"secret\xff")]), "key `A`"),
        ] {
            assert!(message.contains(part) && !message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn a_secret_that_is_not_mounted_is_named_by_its_variable() {
        let failure = resolve(&stdio(&[]), &Environment::default()).expect_err("refused");
        assert!(failure.message.contains("AXON_SECRET_DIR_0"), "{failure}");
    }
}
