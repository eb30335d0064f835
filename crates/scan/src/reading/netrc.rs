//! `.netrc`: `machine`, `login`, `password`, in any number of lines.

use super::Value;

/// The words in it, below their machines.
pub(super) fn values(text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let (mut machine, mut keyword) = (String::new(), None::<&str>);
    for line in text.split_inclusive('\n') {
        // Comments are lines of their own.
        if line.trim_start().starts_with('#') {
            continue;
        }
        for word in line.split_whitespace() {
            match keyword.take() {
                Some("machine") => word.clone_into(&mut machine),
                Some(name) => {
                    let word_at = word.as_ptr() as usize - text.as_ptr() as usize;
                    values.push(Value {
                        path: vec![machine.clone(), name.to_owned()],
                        text: word.to_owned(),
                        range: word_at..word_at + word.len(),
                    });
                }
                None => match word {
                    "default" => "default".clone_into(&mut machine),
                    "machine" | "login" | "password" | "account" => keyword = Some(word),
                    _ => {}
                },
            }
        }
    }
    values
}
