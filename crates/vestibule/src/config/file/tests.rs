use super::*;

const SMALLEST: &str = "
public_url: https://mcp.example.com
servers:
  gitea:
    upstream: http://gitea-mcp:8080/mcp
    allow:
      - groups: [developers]
        tools: all
    credential:
      headers: { Authorization: \"Bearer ${file:/run/secrets/gitea}\" }
";

fn read(text: &str) -> Result<Loaded, ConfigError> {
    read_with(text, &Environment::default())
}

fn read_with(text: &str, environment: &Environment) -> Result<Loaded, ConfigError> {
    parse(
        text,
        Path::new("vestibule.yaml"),
        PathBuf::from("/etc/vestibule"),
        environment,
    )
}

fn error(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn the_smallest_one() {
    let loaded = read(SMALLEST).unwrap();
    assert_eq!(
        loaded.config.public_url.as_ref().unwrap().as_str(),
        "https://mcp.example.com"
    );
    assert_eq!(loaded.config.servers.len(), 1);
    assert_eq!(loaded.data_dir(), Path::new("/etc/vestibule/vestibule-data"));
    assert_eq!(loaded.config.lifetimes.access_token.to_string(), "1h");
    assert_eq!(read("").unwrap().config, Config::default());
}

#[test]
fn an_error_says_where_and_what_was_meant() {
    let sample = SMALLEST.replace("allow:", "alow:");
    insta::assert_snapshot!(error(&sample), @"vestibule.yaml:6:5: unknown key `alow`; did you mean `allow`?");
    insta::assert_snapshot!(
        error("public_ulr: https://a.example"),
        @"vestibule.yaml:1:1: unknown key `public_ulr`; did you mean `public_url`?"
    );
    insta::assert_snapshot!(error("lifetimes:\n  access_token: soon\n"), @r#"vestibule.yaml:2:17: "soon" is no span of time; write one like 90s, 15m, 12h or 30d"#);
    insta::assert_snapshot!(error("title: [a"), @"vestibule.yaml:1:8: expected a text");
    insta::assert_snapshot!(error("title: a\ntitle: b\n"), @"vestibule.yaml:2:1: the key `title` is given twice");
    insta::assert_snapshot!(error("servers:\n  Gitea:\n    upstream: http://a/\n    allow: []\n"), @r#"vestibule.yaml:2:3: "Gitea" is no server name: 1 to 32 of a-z, 0-9 and -, beginning with a letter or digit"#);
    insta::assert_snapshot!(error("servers:\n  gitea:\n    upstream: http://a/\n"), @"vestibule.yaml:3:5: the key `allow` is missing");
    insta::assert_snapshot!(error("public_url: https://a.example/path\n"), @r#"vestibule.yaml:1:13: "https://a.example/path" must be scheme, host and port alone, without a path"#);
    insta::assert_snapshot!(error("log:\n  format: xml\n"), @"vestibule.yaml:2:11: unknown variant `xml`, expected one of text, json");
    insta::assert_snapshot!(error("- a\n- b\n"), @"vestibule.yaml:1:1: expected keys with values");
    insta::assert_snapshot!(error("trusted_proxies: [10.0.0.0/33]\n"), @"vestibule.yaml:1:19: invalid IP address syntax");
}

#[test]
fn a_missing_file_says_how_to_make_one() {
    let missing = load(Path::new("/nonexistent/vestibule.yaml"), &Environment::default());
    insta::assert_snapshot!(missing.unwrap_err(), @"/nonexistent/vestibule.yaml: there is no such file; `vestibule init` writes one");
}

#[test]
fn the_environment_counts_more_than_the_file() {
    let environment = Environment::of([
        ("VESTIBULE_PUBLIC_URL", "https://other.example"),
        ("VESTIBULE_DATABASE__URL", "postgres://db/vestibule"),
        ("VESTIBULE_DATABASE__CONNECTIONS", "7"),
        ("VESTIBULE_STRICT_LOOPBACK", "true"),
        ("VESTIBULE_LIFETIMES__ACCESS_TOKEN", "10m"),
        ("VESTIBULE_LOG__FORMAT", "json"),
        ("VESTIBULE_TLS__CERTIFICATE_FILE", "/a"),
        ("VESTIBULE_TLS__KEY_FILE", "/b"),
        ("VESTIBULE_CONTACT", "2024"),
        ("VESTIBULE_MASTER_KEY", "is read elsewhere"),
        ("VESTIBULE_LISTNE", "0.0.0.0:1"),
        ("VESTIBULE_SERVERS__GITEA__UPSTREAM", "http://evil/"),
        ("PATH", "/bin"),
    ]);
    let loaded = read_with(SMALLEST, &environment).unwrap();
    let config = loaded.config;
    assert_eq!(config.public_url.unwrap().as_str(), "https://other.example");
    assert_eq!(config.database.url.as_deref(), Some("postgres://db/vestibule"));
    assert_eq!(config.database.connections, 7);
    assert!(config.strict_loopback);
    assert_eq!(config.lifetimes.access_token.to_string(), "10m");
    assert_eq!(config.log.format, super::super::LogFormat::Json);
    assert_eq!(config.tls.unwrap().key_file, Path::new("/b"));
    assert_eq!(config.contact.as_deref(), Some("2024"));
    assert_eq!(
        loaded.unknown_variables,
        ["VESTIBULE_LISTNE", "VESTIBULE_SERVERS__GITEA__UPSTREAM"],
        "what sets nothing is said, and maps are set in the file alone"
    );
}

#[test]
fn a_variable_that_does_not_fit_is_named() {
    let of = |name, value| {
        read_with(SMALLEST, &Environment::of([(name, value)]))
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(of("VESTIBULE_DATABASE__CONNECTIONS", "many"), @"the environment: VESTIBULE_DATABASE__CONNECTIONS: is no integer");
    insta::assert_snapshot!(of("VESTIBULE_LIFETIMES__CODE", "soon"), @r#"the environment: VESTIBULE_LIFETIMES__CODE: "soon" is no span of time; write one like 90s, 15m, 12h or 30d"#);
}
