use super::*;

const URL: &str = "https://mcp.example.com/mcp/gitea";

fn fields() -> Vec<(&'static str, Field)> {
    [("type", "streamable_http"), ("uri", URL)]
        .map(|(name, text)| (name, Field::Text(text.to_owned())))
        .to_vec()
}

fn path(entry: &str) -> Vec<String> {
    entry.split('.').map(str::to_owned).collect()
}

fn replaced_in(text: &str, entry: &str) -> Result<String, ByHand> {
    replaced(text, &path(entry), &fields())
}

/// As Goose writes it itself, and as people do.
#[test]
fn an_entry_is_replaced_and_nothing_around_it_changes() {
    let before = r#"# mine
GOOSE_MODEL: gpt   # the cheap one
extensions:
  developer: {type: builtin, enabled: true, name: developer} # stays

  # the forge
  gitea:   # of the company
    # first
    args:
    - -t
    - stdio
    bundled:   # nothing
    # is wanted
    enabled: true  # yes
    # a secret
    envs: {GITEA_HOST: "https://git.example.com", GITEA_ACCESS_TOKEN: 0a1b2c}
    description: |
      Issues: and
        pull requests # all of them
    name: gitea
    cmd: gitea-mcp
    timeout: 300
    type: stdio # soon gone
    # behind it
  # before the next
  memory:
    type: builtin
"#;
    let after = r"# mine
GOOSE_MODEL: gpt   # the cheap one
extensions:
  developer: {type: builtin, enabled: true, name: developer} # stays

  # the forge
  gitea:   # of the company
    # first
    type: streamable_http
    uri: https://mcp.example.com/mcp/gitea
    # is wanted
    enabled: true  # yes
    description: |
      Issues: and
        pull requests # all of them
    name: gitea
    timeout: 300
    # behind it
  # before the next
  memory:
    type: builtin
";
    assert_eq!(replaced_in(before, "extensions.gitea").unwrap(), after);
    let crlf = |text: &str| text.replace('\n', "\r\n");
    assert_eq!(
        replaced_in(&crlf(before), "extensions.gitea").unwrap(),
        crlf(after)
    );
}

#[test]
fn an_element_of_a_list_keeps_its_dash() {
    for (before, after) in [
        (
            "mcpServers:\n  - name: a\n    url: x\n  -   name: b\n      command: npx\n      args: [-y]\n  - name: c\n",
            "mcpServers:\n  - name: a\n    url: x\n  -   name: b\n      type: streamable_http\n      uri: https://mcp.example.com/mcp/gitea\n  - name: c\n",
        ),
        (
            "mcpServers:\n- name: a\n- command: npx # x\n  name: b # y",
            "mcpServers:\n- name: a\n- type: streamable_http\n  uri: https://mcp.example.com/mcp/gitea\n  name: b # y",
        ),
        (
            "\u{feff}mcpServers:\n  -\n    name: a\n  -\n    env:\n      T: |+\n       é\n\n",
            "\u{feff}mcpServers:\n  -\n    name: a\n  -\n    type: streamable_http\n    uri: https://mcp.example.com/mcp/gitea\n\n",
        ),
    ] {
        assert_eq!(
            replaced_in(before, "mcpServers.1").as_deref(),
            Ok(after),
            "{before}"
        );
    }
}

#[test]
fn what_could_be_read_as_anything_else_is_quoted() {
    for (text, written) in [
        (URL, URL),
        ("streamable-http", "streamable-http"),
        ("true", "\"true\""),
        ("https://a.example/?a=1 #b", "\"https://a.example/?a=1 #b\""),
        ("https://a.example:", "\"https://a.example:\""),
        ("a\nb: c", "\"a\\nb: c\""),
        ("", "\"\""),
    ] {
        assert_eq!(value_text(&Field::Text(text.to_owned())), written);
        let fields = [("uri", Field::Text(text.to_owned()))];
        let after = replaced("e:\n  x:\n    cmd: y\n", &path("e.x"), &fields);
        assert_eq!(after, Ok(format!("e:\n  x:\n    uri: {written}\n")));
    }
}

/// More of the file would change than is seen, or what is elsewhere would lead nowhere.
#[test]
fn what_is_shared_is_left_alone() {
    for text in [
        "e: &all\n  x:\n    cmd: y\nf: *all\n",
        "e:\n  x: &one\n    cmd: y\n  z: *one\n",
        "e:\n  y: &one\n    cmd: y\n  x: *one\n",
        "e:\n  x:\n    cmd: &name y\n  z:\n    cmd: *name\n",
        "e:\n  x:\n    enabled: &yes true\n    cmd: y\n",
        "base: &base\n  cmd: y\ne:\n  x:\n    <<: *base\n    envs: {}\n",
        "base: &base\n  x:\n    cmd: y\ne:\n  <<: *base\n  x:\n    cmd: z\n",
        "base: &base\n  x: {}\n<<: *base\ne:\n  x:\n    cmd: z\n",
    ] {
        assert_eq!(replaced_in(text, "e.x"), Err(ByHand::Shared), "{text}");
    }
    // Elsewhere they are nobody's business.
    let text = "base: &base {a: 1}\nother:\n  <<: *base\ne:\n  x:\n    cmd: z\n";
    assert!(replaced_in(text, "e.x").is_ok());
}

#[test]
fn what_is_not_written_line_by_line_is_left_alone() {
    for text in [
        "e:\n  x: {cmd: y}\n",
        "{e: {x: {cmd: y}}}",
        "e:\n  x: !!map\n    cmd: y\n",
        "e:\n  x:\n    ? cmd\n    : y\n",
        "e:\n  x:\n    !!str cmd: y\n",
        "e:\n  x:\n    description: |+\n      a\n\n    cmd: y\n    name: z\n",
    ] {
        assert_eq!(replaced_in(text, "e.x"), Err(ByHand::Layout), "{text}");
    }
    for text in [
        "",
        "e: [",
        "e:\n  z:\n    cmd: y\n",
        "e:\n  x: y\n",
        "e:\n  x:\n",
        "e:\n  - x:\n      cmd: y\n",
        "e:\n  x:\n    cmd: y\n---\na: b\n",
        // Readers differ about which one counts.
        "e:\n  x:\n    cmd: y\n  x:\n    cmd: z\n",
        "e:\n  x:\n    cmd: *nobody\n",
    ] {
        assert_eq!(replaced_in(text, "e.x"), Err(ByHand::Unreadable), "{text}");
    }
}

mod any_file {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// What stands behind a name of this indentation, without the end of its last line.
    fn value(kind: u8, indent: usize) -> String {
        let deep = " ".repeat(indent + 2);
        let same = " ".repeat(indent);
        match kind {
            0 => " plain text".to_owned(),
            1 => " 'it''s # no comment'".to_owned(),
            2 => " \"a: é \\u00e9\\n\"".to_owned(),
            3 => " {a: 1, 'b': [x, \"y\"], c: {d: }}".to_owned(),
            4 => format!(" [a,{deep}b,\n{deep}{{c: d}}\n{deep}]"),
            5 => format!(" |\n{deep}one: two # in it\n\n{deep}  - three"),
            6 => format!(" >-\n{deep}one\n{deep}two"),
            7 => format!(" |2-\n{deep}  one\n{deep}two"),
            8 => String::new(),
            9 => format!(" \"one\n{deep}two\""),
            10 => format!(" one\n{deep}two: three").replace(": ", ":"),
            11 => format!("\n{deep}- a\n{deep}-\n{deep}- b: c\n{deep}  d: |\n{deep}    e"),
            12 => format!("\n{same}- a\n{same}- b"),
            13 => format!("\n{deep}f: g\n{deep}# within\n{deep}h:\n{deep}  i: true"),
            14 => " 300".to_owned(),
            _ => " ~".to_owned(),
        }
    }

    /// Lines of no meaning.
    fn between(kind: u8, indent: usize) -> String {
        match kind {
            0 => format!("{}# said: between\n", " ".repeat(indent)),
            1 => "\n".to_owned(),
            2 => "# far left\n\n".to_owned(),
            _ => String::new(),
        }
    }

    /// What is behind a value in its line.
    fn behind(kind: u8, value: &str) -> &'static str {
        let is_block = value.starts_with([' ']) && value.contains(['|', '>']) || value.contains("|\n");
        if kind == 0 && !is_block {
            "  # said: behind"
        } else {
            ""
        }
    }

    type Pair = (u8, u8, u8);

    fn pairs(names: &[&str], pairs: &[Pair], indent: usize, is_dashed: bool) -> String {
        let mut text = String::new();
        for (at, ((kind, above, right), name)) in pairs.iter().zip(names).enumerate() {
            let value = value(*kind, indent);
            let space = if is_dashed && at == 0 {
                String::new()
            } else {
                " ".repeat(indent)
            };
            let above = if at == 0 {
                String::new()
            } else {
                between(*above, indent)
            };
            let _ = writeln!(text, "{above}{space}{name}:{value}{}", behind(*right, &value));
        }
        text
    }

    const NAMES: [&str; 6] = ["cmd", "enabled", "envs", "name", "\"args\"", "timeout"];

    fn read(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        /// Whatever is around it: the bytes before and behind an entry stay, and it is what it is meant to be.
        #[test]
        fn everything_around_an_entry_stays(
            before in prop::collection::vec((0..16_u8, 0..6_u8, 0..3_u8), 0..4),
            inner in prop::collection::vec((0..16_u8, 0..6_u8, 0..3_u8), 1..=6),
            after in prop::collection::vec((0..16_u8, 0..6_u8, 0..3_u8), 0..4),
            (step, outer, is_list) in (1..5_usize, 0..4_usize, any::<bool>()),
            (is_crlf, is_cut, lines) in (any::<bool>(), any::<bool>(), 0..6_u8),
            order in Just(NAMES.to_vec()).prop_shuffle(),
        ) {
            let outer_names = ["k", "'l m'", "n", "o"].map(str::to_owned);
            let outer_names: Vec<&str> = outer_names.iter().map(String::as_str).collect();
            let mut head = format!("# top\n{}", pairs(&outer_names, &before, 0, false));
            head.push_str("shared: &shared {a: b}\nuse: *shared\nservers: # mine\n");
            head.push_str(&between(lines, step));
            let (entry, indent) = if is_list {
                let _ = write!(head, "{0}- <<: *shared\n{0}  p: *shared\n{0}- ", " ".repeat(step));
                ("servers.1", step + 2)
            } else {
                let _ = writeln!(head, "{0}first: {{}}\n{0}mine:", " ".repeat(step));
                ("servers.mine", step * 2)
            };
            let own = pairs(&order, &inner, indent, is_list);
            let mut tail = String::new();
            if is_list {
                let _ = writeln!(tail, "{}- last", " ".repeat(step));
            } else {
                let _ = writeln!(tail, "{}last: *shared", " ".repeat(step));
            }
            let names = ["x", "y", "z", "zz"].map(|name| format!("{name}{outer}"));
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            tail.push_str(&pairs(&names, &after, 0, false));
            if is_cut {
                tail.truncate(tail.trim_end().len());
            }
            let end = |text: &str| if is_crlf { text.replace('\n', "\r\n") } else { text.to_owned() };
            let (head, tail, text) = (end(&head), end(&tail), end(&format!("{head}{own}{tail}")));
            let result = replaced_in(&text, entry).map_err(|why| TestCaseError::fail(format!("{why}\n{text}")))?;
            prop_assert!(result.starts_with(&head), "{text}\n{result}");
            prop_assert!(result.ends_with(&tail), "{text}\n{result}");
            prop_assert_eq!(is_crlf, !result.replace("\r\n", "").contains('\n') && result.contains("\r\n"));
            // Another reader, and what it makes of both.
            let (mut old, mut new) = (read(&text), read(&result));
            let pointer = format!("/{}", entry.replace('.', "/"));
            let old_entry = old.pointer_mut(&pointer).unwrap().take();
            let new_entry = new.pointer_mut(&pointer).unwrap().take();
            prop_assert_eq!(old, new);
            let mut wanted = json!({ "type": "streamable_http", "uri": URL });
            for name in ["enabled", "name", "timeout"] {
                if let Some(value) = old_entry.get(name) {
                    wanted[name] = value.clone();
                }
            }
            prop_assert_eq!(new_entry, wanted, "{}", result);
        }

        /// Whatever bytes: a text comes out that is the same outside of the entry, or none does.
        #[test]
        fn no_text_is_broken(text in "(e:\n  x:\n    )?[ \\t\\n\\r:\\-\\[\\]{}'\"#,a-z|>&*!?%é]{0,80}") {
            if let Ok(after) = replaced_in(&text, "e.x") {
                prop_assert!(after.contains(URL));
                prop_assert!(tree::read(&after).is_some());
            }
        }
    }
}
