//! Text that strangers chose and people will read.

/// Makes a self-asserted name safe to show: no control characters, no bidirectional overrides or other
/// invisible format characters (a name must not be able to rewrite the sentence around it), single spaces,
/// at most `limit` characters. `None` if nothing is left. (OS-103)
pub fn display_name(text: &str, limit: usize) -> Option<String> {
    let mut shown = String::new();
    for word in text.split_whitespace() {
        let word: String = word
            .chars()
            .filter(|&c| !c.is_control() && !invisible(c))
            .collect();
        if word.is_empty() {
            continue;
        }
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(&word);
    }
    if shown.chars().count() > limit {
        shown = shown.chars().take(limit.saturating_sub(1)).chain(['…']).collect();
    }
    (!shown.is_empty()).then_some(shown)
}

/// Format characters (Unicode category Cf) and the other code points that draw nothing.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Keeps of `text` what the grammar of `error_description` allows (RFC 6749 section 5.2): printable ASCII
/// without `"` and `\`. Other characters become `?`.
pub fn error_text(text: &str) -> String {
    text.chars()
        .map(|c| {
            if (' '..='~').contains(&c) && c != '"' && c != '\\' {
                c
            } else {
                '?'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_cannot_turn_the_sentence_around() {
        assert_eq!(
            display_name("Good\u{202e}live\u{202c} App", 80).as_deref(),
            Some("Goodlive App")
        );
        assert_eq!(display_name("\u{200b}\n\t ", 80), None);
        assert_eq!(
            display_name("a\r\nSet-Cookie: x", 80).as_deref(),
            Some("a Set-Cookie: x")
        );
        assert_eq!(display_name(&"x".repeat(100), 5).as_deref(), Some("xxxx…"));
    }

    proptest! {
        /// OS-4: the charset of `error_description`.
        #[test]
        fn error_text_has_only_allowed_characters(text: String) {
            prop_assert!(error_text(&text).bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
        }
    }
}
