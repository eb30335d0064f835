//! What somebody types at the page of devices: a code in any spelling that keyboards give is that code, and nothing else is one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::UserCode;

fuzz_target!(|typed: &str| {
    let read = typed.parse::<UserCode>();
    let spaced: String = typed.chars().flat_map(|letter| ['-', letter, '\u{3000}']).collect();
    for spelled in [typed.to_ascii_lowercase(), typed.to_ascii_uppercase(), wide(typed), spaced] {
        assert_eq!(spelled.parse(), read, "{spelled:?}");
    }
    let Ok(code) = read else {
        return;
    };
    let shown = code.to_string();
    assert_eq!(shown.parse(), Ok(code));
    assert!(shown.len() == 9 && shown.bytes().all(|byte| b"-BCDFGHJKLMNPQRSTVWXZ".contains(&byte)), "{shown}");
    assert_eq!(typed.chars().filter(|c| c.is_alphanumeric()).count(), 8, "{typed:?}");
    assert!(shown[1..].parse::<UserCode>().is_err() && format!("{shown}B").parse::<UserCode>().is_err());
});

/// As Chinese and Japanese keyboards type letters.
fn wide(typed: &str) -> String {
    let wide = |letter: char| match letter {
        'A'..='Z' | 'a'..='z' => char::from_u32(u32::from(letter) + 0xfee0).expect("a wide letter"),
        other => other,
    };
    typed.chars().map(wide).collect()
}
