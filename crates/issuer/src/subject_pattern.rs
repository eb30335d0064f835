//! Patterns for who somebody is at a platform: `repo:acme/*:ref:refs/heads/main`, `system:serviceaccount:ci:*`.
//!
//! A star stands for any text without `:` and `/`, because those part what was chosen by different people: whoever may name a
//! repository must not be able to write what stands behind it. Two stars stand for any text at all.

use std::str::FromStr;

use thiserror::Error;

/// The longest pattern.
const LONGEST: usize = 300;

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Star,
    TwoStars,
}

/// A text that is no pattern.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BadPattern {
    /// Nothing, or too much.
    #[error("a pattern has 1 to {LONGEST} letters")]
    Length,
    /// Everybody.
    #[error("a pattern of stars alone fits everybody whom the issuer vouches for; say who is meant")]
    Everybody,
    /// Three.
    #[error("one star stands for a part, two for everything; there is no more")]
    Stars,
}

impl FromStr for SubjectPattern {
    type Err = BadPattern;
    fn from_str(text: &str) -> Result<Self, BadPattern> {
        if text.is_empty() || text.len() > LONGEST {
            return Err(BadPattern::Length);
        }
        if text.contains("***") {
            return Err(BadPattern::Stars);
        }
        if text.chars().all(|c| c == '*') {
            return Err(BadPattern::Everybody);
        }
        let mut parts = Vec::new();
        for (at, piece) in text.split("**").enumerate() {
            if at > 0 {
                parts.push(Part::TwoStars);
            }
            for (at, text) in piece.split('*').enumerate() {
                if at > 0 {
                    parts.push(Part::Star);
                }
                if !text.is_empty() {
                    parts.push(Part::Text(text.to_owned()));
                }
            }
        }
        Ok(Self(parts))
    }
}

impl SubjectPattern {
    /// Whether the whole text fits. Takes time in proportion to both lengths, whatever they are.
    pub fn fits(&self, text: &str) -> bool {
        // Where in the text the parts so far can end.
        let mut ends = vec![false; text.len() + 1];
        ends[0] = true;
        for part in &self.0 {
            let mut next = vec![false; text.len() + 1];
            match part {
                Part::Text(piece) => {
                    for (at, _) in ends.iter().enumerate().filter(|(_, is_end)| **is_end) {
                        if text.as_bytes()[at..].starts_with(piece.as_bytes()) {
                            next[at + piece.len()] = true;
                        }
                    }
                }
                Part::Star | Part::TwoStars => {
                    let mut reached = false;
                    for at in 0..=text.len() {
                        let before = at.checked_sub(1).map(|before| text.as_bytes()[before]);
                        let is_cut = *part == Part::Star && matches!(before, Some(b':' | b'/'));
                        reached = ends[at] || (reached && !is_cut);
                        next[at] = reached;
                    }
                }
            }
            ends = next;
        }
        ends[text.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        pattern.parse::<SubjectPattern>().unwrap().fits(text)
    }

    #[test]
    fn a_star_is_one_part_and_two_are_all() {
        for (pattern, text, expected) in [
            (
                "repo:acme/app:ref:refs/heads/main",
                "repo:acme/app:ref:refs/heads/main",
                true,
            ),
            (
                "repo:acme/app:ref:refs/heads/main",
                "repo:acme/app:ref:refs/heads/main2",
                false,
            ),
            (
                "repo:acme/*:ref:refs/heads/main",
                "repo:acme/app:ref:refs/heads/main",
                true,
            ),
            // Whoever names a branch or a repository writes no other part.
            (
                "repo:acme/*:ref:refs/heads/main",
                "repo:acme/app:ref:refs/heads/x:ref:refs/heads/main",
                false,
            ),
            (
                "repo:acme/*:ref:refs/heads/main",
                "repo:acme/a/b:ref:refs/heads/main",
                false,
            ),
            ("repo:acme*", "repo:acme-evil/app", false),
            ("repo:acme/**", "repo:acme/app:environment:production", true),
            ("repo:acme/**:main", "repo:acme/app:ref:refs/heads/main", false),
            ("repo:acme/**/main", "repo:acme/app:ref:refs/heads/main", true),
            (
                "system:serviceaccount:ci:*",
                "system:serviceaccount:ci:deploy",
                true,
            ),
            (
                "system:serviceaccount:ci:*",
                "system:serviceaccount:ci-evil:deploy",
                false,
            ),
            (
                "system:serviceaccount:*:deploy",
                "system:serviceaccount:a:b:deploy",
                false,
            ),
            ("*a", "a", true),
            ("a*a", "a", false),
            ("**é*", "xé", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn nobody_means_everybody() {
        for bad in ["", "*", "**", "a***", &"a".repeat(301)] {
            assert!(bad.parse::<SubjectPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_text_is_too_much_work() {
        let pattern = "a*".repeat(140) + "b";
        assert!(!fits(&pattern, &"a".repeat(100_000)));
    }
}
