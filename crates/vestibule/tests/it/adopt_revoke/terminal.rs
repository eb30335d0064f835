//! Somebody sits at a terminal.

use std::io::{Read as _, Write as _};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::*;

/// What a program writes to its terminal until it says this.
fn until(terminal: &mut std::fs::File, wanted: &str) -> String {
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&said).contains(wanted) {
        terminal.read_exact(&mut byte).unwrap();
        said.push(byte[0]);
    }
    String::from_utf8(said).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_at_a_terminal_is_asked_twice_and_may_decline_the_second() {
    let person = Person::new();
    let providers = Providers::start(&person.tokens).await;
    person.servers(".cursor/mcp.json", &[person.github(&providers.url)]);
    for (answer, state) in [("n", "declined"), ("y", "revoked")] {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let theirs = || {
            std::fs::File::options()
                .read(true)
                .write(true)
                .open(&name)
                .unwrap()
        };
        let mut command = person.command(&[&ADOPT[..], &["--json"]].concat());
        command
            .stdin(theirs())
            .stderr(theirs())
            .stdout(std::process::Stdio::piped());
        let child = command.env("TERM", "xterm").spawn().unwrap();
        let host = providers.url.strip_prefix("http://").unwrap().to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let mut terminal = std::fs::File::from(terminal);
            until(&mut terminal, "as shown?");
            until(&mut terminal, "[y/N]");
            terminal.write_all(b"y").unwrap();
            let question = until(&mut terminal, "for ever?");
            until(&mut terminal, "[y/N]");
            terminal.write_all(answer.as_bytes()).unwrap();
            // Kept until the program is at its end.
            (question, terminal)
        });
        let output = child.wait_with_output().await.unwrap();
        let (question, _terminal) = asked.await.unwrap();
        assert!(
            question.contains(&format!("Revoke 1 old credential at {host} for ever?")),
            "{question}"
        );
        assert!(output.status.success(), "{output:?}");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(states(&said), [state]);
        assert_eq!(providers.heard().len(), usize::from(state == "revoked"));
        person.says(&["adopt", "--undo"], 0).await;
    }
}
