//! What a person sees while they sign in. Everything goes to standard error: standard output is for answers.

use std::io::{self, IsTerminal as _, Write as _};

use client::{Home, Question, Screen, Way};
use model::SecretString;
use tokio::sync::oneshot;
use url::Url;

use crate::output::printable;
use crate::secret_prompt;

/// The terminal, or what stands for one.
#[derive(Debug)]
pub(super) struct Terminal {
    opens: bool,
    way: Way,
    reads: bool,
}

impl Terminal {
    /// One that may open a browser, if there is one that the person would see.
    pub(super) fn new(may_open: bool) -> Self {
        let has_browser = has_browser();
        Self {
            opens: may_open && has_browser && io::stderr().is_terminal(),
            way: way(may_open, has_browser),
            reads: io::stdin().is_terminal(),
        }
    }

    /// One whose standard input and output belong to a program, which somebody sits in front of although there is no
    /// terminal.
    pub(super) fn beside_a_pipe(may_open: bool) -> Self {
        let has_browser = has_browser();
        Self {
            opens: may_open && has_browser,
            way: way(may_open, has_browser),
            reads: false,
        }
    }

    /// In which way somebody signs in here who did not choose one.
    pub(super) fn way(&self) -> Way {
        self.way
    }
}

/// Where there is no browser, a code can be typed into one anywhere. Whoever wants none opened wants its address.
fn way(may_open: bool, has_browser: bool) -> Way {
    if may_open && !has_browser {
        Way::DeviceIfOffered
    } else {
        Way::Browser
    }
}

/// Whether a browser can be opened that the person would see.
#[expect(
    clippy::disallowed_methods,
    reason = "what the desktop says of itself is no configuration of ours"
)]
fn has_browser() -> bool {
    let is_there = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_near = !is_there("SSH_CONNECTION") && !is_there("SSH_TTY");
    let has_screen = cfg!(any(target_os = "macos", windows))
        || is_there("DISPLAY")
        || is_there("WAYLAND_DISPLAY")
        || is_there("BROWSER");
    is_near && has_screen
}

/// Has the passphrase of files asked for, on a terminal; whoever is not on one is asked nothing.
pub(super) fn asking(home: Home) -> Home {
    if io::stderr().is_terminal() {
        home.asking(|question| {
            let prompt = dialoguer::Password::new();
            let prompt = match question {
                Question::New => {
                    say("No key of yours is here yet: the tokens will lie in files under a passphrase, which you type once for each command that needs them.");
                    prompt
                        .with_prompt("A new passphrase")
                        .with_confirmation("Once more", "they differ")
                }
                Question::Known => prompt.with_prompt("The passphrase of your tokens"),
                Question::Again => prompt.with_prompt("That is not it. The passphrase of your tokens"),
            };
            secret_prompt::ask(prompt).ok().map(SecretString::from)
        })
    } else {
        home
    }
}

/// Says something on standard error.
pub(super) fn say(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Says what should worry somebody.
pub(super) fn warn(text: &str) {
    let (yellow, plain) = (anstyle::AnsiColor::Yellow.on_default().bold(), anstyle::Reset);
    say(&format!("{yellow}warning:{plain} {}", printable(text)));
}

impl Screen for Terminal {
    fn open(&self, url: &Url) -> bool {
        let opened = self.opens && client::open_browser(url);
        // On one line of its own, so that it can be copied whole.
        say(if opened {
            "A browser opens for the sign-in. If it does not, open this address:"
        } else {
            "Open this address in a browser to sign in:"
        });
        say(url.as_str());
        if self.reads {
            say("If that browser is on another machine, paste here the address that it ends at.");
        }
        opened
    }

    fn shows_code(&self, code: &str, page: &Url, complete: &Url) {
        say("Open this address in a browser, on whichever machine you like:");
        say(page.as_str());
        say(&format!("and type this code: {}", printable(code)));
        if complete != page {
            say("Or open this one, and check that it shows the same code:");
            say(complete.as_str());
        }
    }

    fn waits(&self) {
        say("Another command is signing in to this server; this one waits for it.");
    }

    fn is_no_answer(&self) {
        say("This is not an address that the browser was sent to; paste the whole of it.");
    }

    fn note(&self, text: &str) {
        say(&printable(text));
    }

    async fn pasted(&self) -> String {
        if !self.reads {
            return std::future::pending().await;
        }
        let (sender, receiver) = oneshot::channel();
        // Reading cannot be given up; the thread ends with the process.
        std::thread::spawn(move || {
            let mut line = String::new();
            while io::stdin().read_line(&mut line).is_ok_and(|count| count > 0) {
                if !line.trim().is_empty() {
                    let _ = sender.send(line);
                    return;
                }
            }
        });
        match receiver.await {
            Ok(line) => line,
            Err(_) => std::future::pending().await,
        }
    }
}
