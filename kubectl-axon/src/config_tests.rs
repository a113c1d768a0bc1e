use super::*;

fn parse(text: &str) -> Result<(Config, Warnings)> {
    Config::parse(text, Path::new("config.yaml"))
}

fn read(text: &str) -> Config {
    match parse(text) {
        Ok((config, warnings)) => {
            assert!(warnings.is_empty(), "{warnings:?}");
            config
        }
        Err(failure) => panic!("{}", failure.render()),
    }
}

#[test]
fn every_key_is_read() {
    let config = read(
        "secret: s\ncredentialType: oauth\ntype: codex\nmodel: m\nnamespace: n\nagentConfig: a\n\
         workspace:\n  name: w\n  repo: r\n  ref: main\n  token: t\n",
    );
    assert_eq!(config.secret.as_deref(), Some("s"));
    assert_eq!(config.credential_type.as_deref(), Some("oauth"));
    assert_eq!(config.type_.as_deref(), Some("codex"));
    assert_eq!(config.model.as_deref(), Some("m"));
    assert_eq!(config.namespace.as_deref(), Some("n"));
    assert_eq!(config.agent_config.as_deref(), Some("a"));
    let workspace = config.workspace.expect("a workspace");
    assert_eq!(workspace.name.as_deref(), Some("w"));
    assert_eq!(workspace.ref_.as_deref(), Some("main"));
    let Ok(Some(WorkspaceCredential::Token(token))) = workspace.credential() else {
        panic!("no token");
    };
    assert_eq!(token, "t");
}

#[test]
fn a_credential_is_a_value_a_file_or_none() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "from-file\n").expect("written");
    let at_file = format!("apiKey: '@{}'", file.path().display());
    for (text, kind, value) in [
        ("oauthToken: abc", CredentialsType::OAuth, Some("abc")),
        ("apiKey: none", CredentialsType::ApiKey, None),
        (at_file.as_str(), CredentialsType::ApiKey, Some("from-file")),
    ] {
        let credential = read(text).credential().ok().flatten().expect("a credential");
        assert!(credential.kind == kind, "{text}");
        assert_eq!(credential.value.as_deref(), value, "{text}");
    }
    assert!(read("model: m").credential().ok().flatten().is_none());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let failure = read("apiKey: '@/nowhere/key'")
        .credential()
        .err()
        .expect("a failure");
    assert!(
        failure.message().contains("`/nowhere/key`, which `apiKey`"),
        "{failure:?}"
    );
}

#[test]
fn an_unknown_key_is_a_warning_with_a_suggestion() {
    let Ok((_, warnings)) = parse("oathToken: x\nworkspace:\n  rfe: main\n") else {
        panic!("unknown keys are no error");
    };
    assert!(
        warnings[0].ends_with("`oathToken`, did you mean `oauthToken`?"),
        "{warnings:?}"
    );
    assert!(
        warnings[1].ends_with("`workspace.rfe`, did you mean `workspace.ref`?"),
        "{warnings:?}"
    );
}

#[test]
fn a_malformed_file_is_an_error_with_its_place_and_without_its_secrets() {
    for text in [
        "apiKey: [sk-secret\nmodel: m\n",
        "model: m\napiKey: {a: sk-secret}\n",
    ] {
        let failure = parse(text).err().expect("a failure").render();
        assert!(failure.contains("config.yaml:"), "{failure}");
        assert!(!failure.contains("sk-secret"), "{failure}");
    }
}

#[test]
fn token_and_key_together_are_an_error() {
    let failure = parse("oauthToken: a\napiKey: b\n").err().expect("a failure");
    assert!(failure.message().contains("only one of"), "{failure:?}");
}

#[test]
fn an_empty_file_has_no_defaults() {
    for text in ["", "# nothing\n", TEMPLATE] {
        assert!(read(text) == Config::default(), "{text:?}");
    }
}

#[test]
fn an_explicit_file_must_exist() {
    assert!(Config::load(Some(Path::new("/nowhere/config.yaml"))).is_err());
}

#[test]
fn a_github_app_is_read_with_its_key() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = |fields: &str| {
        format!(
            "workspace: {{repo: r, githubApp: {{{fields}, privateKeyPath: '{}'}}}}",
            file.path().display()
        )
    };
    let credential = |text: &str| read(text).workspace.expect("a workspace").credential();
    assert!(
        credential(&text("appID: 1, installationID: '2'"))
            .is_err_and(|failure| { failure.message().contains("holds no private key") })
    );
    std::fs::write(file.path(), "-----BEGIN RSA PRIVATE KEY-----\n").expect("written");
    let Ok(Some(WorkspaceCredential::App {
        id,
        installation,
        private_key,
    })) = credential(&text("appID: 1, installationID: '2'"))
    else {
        panic!("no app");
    };
    assert_eq!((id.as_str(), installation.as_str()), ("1", "2"));
    assert!(private_key.starts_with("-----BEGIN"));
    assert!(
        credential(&text("appID: 1"))
            .is_err_and(|failure| failure.message().contains("does not say `installationID`"))
    );
    assert!(
        credential(&text("appID: 1, installationID: 2").replace("repo: r", "repo: r, token: t"))
            .is_err_and(|failure| failure.message().contains("not both"))
    );
}

#[test]
fn variables_of_the_file_are_checked() {
    let config =
        read("env: [{name: A, value: '1'}, {name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}]");
    assert_eq!(config.env.len(), 2);
    for (text, message) in [
        ("env: [{value: x}]", "env[0]: name is required"),
        ("env: [{name: 1A, value: x}]", "env[0]: invalid name `1A`"),
        (
            "env: [{name: A}]",
            "env[0] `A`: one of value or valueFrom is required",
        ),
        (
            "env: [{name: A, value: x, valueFrom: {}}]",
            "env[0] `A`: value and valueFrom are mutually exclusive",
        ),
    ] {
        let failure = parse(text).err().expect("a failure");
        assert!(failure.message().contains(message), "{failure:?}");
    }
}
