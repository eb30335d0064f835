use super::*;

fn read(text: &str, form: Form) -> Vec<(String, String)> {
    let values = values(text, form);
    for value in &values {
        assert_eq!(
            text.get(value.range.clone()),
            Some(value.text.as_str()),
            "{value:?}"
        );
    }
    values
        .into_iter()
        .map(|value| (value.path.join("."), value.text))
        .collect()
}

fn has(text: &str, form: Form, path: &str, value: &str) {
    let read = read(text, form);
    assert!(read.contains(&(path.to_owned(), value.to_owned())), "{read:?}");
}

#[test]
fn json_with_comments_and_commas_too_many() {
    let text = "{ // mine\n \"mcpServers\": { \"a\": { \"env\": { \"T\": \"x1\", }, \"args\": [\"-y\", \"b\",], }, }, }";
    has(text, Form::Json, "mcpServers.a.env.T", "x1");
    has(text, Form::Json, "mcpServers.a.args.1", "b");
}

#[test]
fn json_that_is_broken_is_read_by_lines() {
    has(
        "{ \"token\": \"abcdefgh\",\n  oops",
        Form::Json,
        "token",
        "abcdefgh",
    );
}

#[test]
fn toml_with_tables() {
    let text = "[mcp_servers.git]\ncommand = \"x\"\n[mcp_servers.git.env]\nTOKEN = 'y1'\n";
    has(text, Form::Toml, "mcp_servers.git.env.TOKEN", "y1");
    has("a = { b = \"c\" }\n", Form::Toml, "a.b", "c");
}

#[test]
fn yaml_by_its_indentation() {
    let text = "users:\n- name: ana\n  user:\n    token: \"t1\" \n- name: bob\n  user:\n    token: t2 # his\nenv:\n  A: b\n";
    has(text, Form::Yaml, "users.0.user.token", "t1");
    has(text, Form::Yaml, "users.1.user.token", "t2");
    has(text, Form::Yaml, "env.A", "b");
}

#[test]
fn yaml_in_braces_in_blocks_and_behind_anchors() {
    let text = "a: {b: [x, 'y1', {c: \"d1\"}]}\nbase: &base\n  k: &k v1\nother:\n  <<: *base\n  'l m': v2\n---\n- e: v3\n";
    for (path, value) in [
        ("a.b.0", "x"),
        ("a.b.1", "y1"),
        ("a.b.2.c", "d1"),
        ("base.k", "v1"),
        ("other.l m", "v2"),
        ("0.e", "v3"),
    ] {
        has(text, Form::Yaml, path, value);
    }
    // What is written with escapes, and what is in several lines, is said as it is meant; the lines are values as well.
    let text = "e: \"a\\u0062c\"\nrun: |\n  export A_TOKEN=v1\n  b: 'v2'\nend: v3\n";
    let values = values(text, Form::Yaml);
    let read: Vec<_> = values
        .iter()
        .map(|value| {
            (
                value.path.join("."),
                value.text.as_str(),
                &text[value.range.clone()],
            )
        })
        .collect();
    assert_eq!(
        read,
        [
            ("e".to_owned(), "abc", "\"a\\u0062c\""),
            (
                "run".to_owned(),
                "export A_TOKEN=v1\nb: 'v2'\n",
                "export A_TOKEN=v1\n  b: 'v2'"
            ),
            ("run.A_TOKEN".to_owned(), "v1", "v1"),
            ("run.b".to_owned(), "v2", "v2"),
            ("end".to_owned(), "v3", "v3"),
        ]
    );
}

#[test]
fn yaml_that_is_broken_is_read_by_lines() {
    let text = "a: {{ .Values.b }}\nusers:\n- name: ana\n  token: \"t1\"\n";
    has(text, Form::Yaml, "users.0.token", "t1");
    has("a: [\nb: c\n", Form::Yaml, "b", "c");
}

#[test]
fn what_shells_and_tools_read() {
    has(
        "export A_TOKEN=\"v1\" # mine\n",
        Form::Assignments,
        "A_TOKEN",
        "v1",
    );
    has("set -gx A_TOKEN v1\n", Form::Assignments, "A_TOKEN", "v1");
    has("$env:A_TOKEN = 'v1'\r\n", Form::Assignments, "A_TOKEN", "v1");
    has("setenv A_TOKEN v1\n", Form::Assignments, "A_TOKEN", "v1");
    has(
        "//npm.example.com/:_authToken=v1\n",
        Form::Assignments,
        "//npm.example.com/:_authToken",
        "v1",
    );
    has(
        "[pypi]\npassword = v1\n",
        Form::Assignments,
        "pypi.password",
        "v1",
    );
    has(
        "alias x='y --token abcdef1'\n",
        Form::Assignments,
        "token",
        "abcdef1",
    );
}

#[test]
fn netrc_in_any_number_of_lines() {
    has(
        "machine a.example\n login ana\n password p1\n",
        Form::Netrc,
        "a.example.password",
        "p1",
    );
    has(
        "default login x password p2",
        Form::Netrc,
        "default.password",
        "p2",
    );
}

mod any_bytes {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever stands in a file, each value stands where it is said to stand, and nothing panics.
        #[test]
        fn every_reader_takes_every_text(text in "[ \\t\\n\\r:=\\-\\[\\]{}'\"#,a-z\\\\é0-9_/$.]{0,200}") {
            for form in [Form::Json, Form::Toml, Form::Yaml, Form::Assignments, Form::Netrc, Form::Text] {
                for value in values(&text, form) {
                    prop_assert!(text.get(value.range.clone()).is_some(), "{form:?} {value:?}");
                }
            }
        }
    }
}
