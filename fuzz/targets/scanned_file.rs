//! A file of somebody's that is looked through for credentials, in each form; and the index of a git repository.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use model::Timestamp;
use scan::{Limits, Rules, Scan};

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::built_in().expect("the rules that are built in"));

const NAMES: [&str; 6] = [
    ".cursor/mcp.json",
    ".codex/config.toml",
    ".kube/config",
    ".env",
    ".netrc",
    "program.rs",
];

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    let Some(name) = NAMES.get(usize::from(kind) % (NAMES.len() + 1)) else {
        let _ = scan::git::names(bytes);
        return;
    };
    let mut scan = Scan::new(&RULES, Timestamp::EPOCH, [0; 32], Limits::default());
    scan.bytes(Path::new(name), bytes.to_vec());
    let report = scan.finish();
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    for finding in &report.findings {
        // UTF-16 has its line feeds elsewhere.
        assert!(finding.line <= lines || bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]));
        assert!(finding.end_column >= finding.column);
        assert_eq!(RULES.redacted(&finding.name), finding.name, "a name shows no credential");
    }
});
