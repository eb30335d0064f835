//! Files under a passphrase; the keyrings are shown by whole-program tests with real ones.

use std::path::Path;
use std::sync::{Arc, Mutex};

use model::{ExposeSecret, SecretString};
use tempfile::TempDir;

use super::{Home, Kind, Question, TokenStore, World};

const RIGHT: &str = "a bench before the gate";

/// One command after the other, on one machine.
struct Commands {
    folder: TempDir,
    world: World,
    asked: Arc<Mutex<Vec<Question>>>,
}

impl Commands {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            world: testkit::world().0,
            asked: Arc::default(),
        }
    }

    fn home(&self) -> Home {
        Home::open(Some(self.folder.path().to_owned()), "default").unwrap()
    }

    /// A new one, at which somebody types these, one after the other, and then nothing more.
    fn begin(&self, typed: &[&str]) -> TokenStore {
        let mut typed: Vec<SecretString> = typed.iter().rev().map(|text| (*text).to_owned().into()).collect();
        let (asked, typed) = (Arc::clone(&self.asked), Mutex::new(std::mem::take(&mut typed)));
        let home = self.home().asking(move |question| {
            asked.lock().unwrap().push(question);
            typed.lock().unwrap().pop()
        });
        TokenStore::of(Kind::Passphrase, &home, &self.world)
    }

    fn asked(&self) -> Vec<Question> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn file(&self, name: &str) -> String {
        let path = Path::new("profiles/default").join(name);
        std::fs::read_to_string(self.folder.path().join(path)).unwrap()
    }
}

fn text(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(ExposeSecret::expose_secret)
}

#[test]
fn dec_23_a_passphrase_is_asked_for_once_in_a_command() {
    let commands = Commands::new();
    let first = commands.begin(&[RIGHT]);
    assert!(first.get("session").unwrap().is_none());
    assert_eq!(commands.asked(), [], "nothing is there to open");
    first.put("session", &"vst_at_secret".to_owned().into()).unwrap();
    first.put("other", &"x".to_owned().into()).unwrap();
    assert_eq!(
        text(first.get("session").unwrap().as_ref()),
        Some("vst_at_secret")
    );
    assert_eq!(commands.asked(), [Question::New]);

    let next = commands.begin(&["a bench behind the gate", RIGHT]);
    let kept = next.get("session").unwrap();
    assert_eq!(text(kept.as_ref()), Some("vst_at_secret"));
    assert_eq!(commands.asked(), [Question::Known, Question::Again]);
    for file in ["session.passphrase", "key.passphrase"] {
        let file = commands.file(file);
        assert!(!file.contains("vst_at_secret") && !file.contains(RIGHT), "{file}");
    }
    // To forget one needs to know nothing.
    commands.begin(&[]).remove("session").unwrap();
    assert_eq!(commands.asked(), []);
    assert!(next.get("session").unwrap().is_none());
}

#[test]
fn who_does_not_know_it_gets_nothing() {
    let commands = Commands::new();
    let first = commands.begin(&[RIGHT]);
    first.put("session", &"vst_at_secret".to_owned().into()).unwrap();
    commands.asked();

    let guesses = ["password1234", "password12345", "password123456", RIGHT];
    let refused = commands.begin(&guesses).get("session").unwrap_err().to_string();
    assert!(refused.contains("this is not its passphrase"), "{refused}");
    assert_eq!(commands.asked().len(), 3);
    assert!(commands.begin(&[]).get("session").is_err());
    // Nobody is there to ask.
    let mute = TokenStore::of(Kind::Passphrase, &commands.home(), &commands.world);
    let refused = mute.get("session").unwrap_err().to_string();
    assert!(refused.contains("on a terminal alone"), "{refused}");
    // A session that was put in the place of another is none.
    let folder = commands.folder.path().join("profiles/default");
    std::fs::rename(folder.join("session.passphrase"), folder.join("other.passphrase")).unwrap();
    assert!(commands.begin(&[RIGHT]).get("other").unwrap().is_none());
}

#[test]
fn a_passphrase_that_is_easy_to_guess_is_none() {
    let commands = Commands::new();
    for easy in ["short", "aaaaaaaaaaaaaaaaaaaa"] {
        let store = commands.begin(&[easy]);
        assert!(store.put("session", &"x".to_owned().into()).is_err(), "{easy}");
    }
    assert!(
        TokenStore::choose(Some(Kind::Passphrase), &commands.home(), &commands.world).is_err(),
        "nobody is there to ask"
    );
}
