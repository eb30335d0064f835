//! What credentials look like: the data file `rules.yaml`, and files of the same form that somebody adds.

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::checksum::Checksum;
use crate::entropy;
use crate::placeholder;
use crate::revocation::Revocation;

const BUILT_IN: &str = include_str!("../rules.yaml");
/// The largest compiled form of all patterns together.
const SIZE: usize = 64 << 20;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing: a key for testing, a public part.
    Low,
    /// Something is called a secret and looks like one.
    Medium,
    /// A credential of a known provider.
    #[default]
    High,
    /// One that others can read as well.
    Critical,
}

impl Severity {
    /// All, in their order.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The next one, for what is exposed.
    #[must_use]
    pub const fn raised(self) -> Self {
        match self {
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }
}

/// Who gives credentials out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// A word of its own.
    pub id: String,
    /// For people.
    pub title: String,
    /// Words in names and programs that say that a credential is this provider's.
    #[serde(default)]
    pub words: Vec<String>,
    /// Its hosts.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Recipes for MCP servers of the door that replace it.
    #[serde(default)]
    pub presets: Vec<String>,
    /// Where its tokens are taken back.
    #[serde(default)]
    pub revoke: Option<String>,
    /// How a token of it takes itself back, if it can.
    #[serde(default)]
    pub revocation: Option<Revocation>,
}

/// The shape of a credential.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Stands in reports and baselines.
    pub id: String,
    /// Whose, if that is known.
    #[serde(default)]
    pub provider: Option<String>,
    /// For people.
    pub title: String,
    /// What is public of it.
    #[serde(default)]
    pub prefix: String,
    /// What it looks like; none if the code says so.
    pub pattern: String,
    /// How it proves to be whole.
    #[serde(default)]
    pub checksum: Option<Checksum>,
    /// How much it matters.
    #[serde(default)]
    pub severity: Severity,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    providers: Vec<Provider>,
    #[serde(default)]
    rules: Vec<Rule>,
}

/// Why rules cannot be used.
#[derive(Debug, Error)]
pub enum RulesError {
    /// The file is not of the form.
    #[error("line {0} column {1} is not of the form that docs/scan.md shows")]
    Form(u64, u64),
    /// A pattern is none, or too large.
    #[error("the pattern of {0} cannot be used: {1}")]
    Pattern(String, Box<regex::Error>),
    /// A rule names a provider that is not there.
    #[error("{0} is of a provider {1:?} that is not there")]
    Provider(String, String),
    /// Two of one id.
    #[error("there are two rules {0}")]
    Twice(String),
}

/// A place in a text that a rule fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    /// The rule's place in the list.
    pub(crate) rule: usize,
    /// Where it begins, in bytes.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
}

/// All of them, ready to look.
#[derive(Clone, Debug)]
pub struct Rules {
    providers: Vec<Provider>,
    all: Vec<Rule>,
    set: RegexSet,
    patterns: Vec<Regex>,
}

impl Rules {
    /// Those that come with the program.
    pub fn built_in() -> Result<Self, RulesError> {
        Self::of(&[])
    }

    /// Those, and those of files of the same form.
    pub fn of(more: &[String]) -> Result<Self, RulesError> {
        let mut all = File::default();
        for text in std::iter::once(BUILT_IN).chain(more.iter().map(String::as_str)) {
            // What the library says may quote the file, and somebody may have named the wrong one.
            let file: File = serde_saphyr::from_str(text).map_err(|error| match error.location() {
                Some(at) => RulesError::Form(at.line(), at.column()),
                None => RulesError::Form(1, 1),
            })?;
            all.providers.extend(file.providers);
            all.rules.extend(file.rules);
        }
        for (at, rule) in all.rules.iter().enumerate() {
            if all.rules.iter().skip(at + 1).any(|other| other.id == rule.id) {
                return Err(RulesError::Twice(rule.id.clone()));
            }
            if let Some(provider) = &rule.provider
                && !all.providers.iter().any(|known| known.id == *provider)
            {
                return Err(RulesError::Provider(rule.id.clone(), provider.clone()));
            }
        }
        let patterns = all.rules.iter().map(|rule| {
            RegexBuilder::new(&rule.pattern)
                .unicode(false)
                .size_limit(SIZE)
                .build()
                .map_err(|error| RulesError::Pattern(rule.id.clone(), Box::new(error)))
        });
        let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
        let set = RegexSetBuilder::new(all.rules.iter().map(|rule| &rule.pattern))
            .unicode(false)
            .size_limit(SIZE)
            .build()
            .map_err(|error| RulesError::Pattern("all rules".to_owned(), Box::new(error)))?;
        Ok(Self {
            providers: all.providers,
            all: all.rules,
            set,
            patterns,
        })
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.all
    }

    /// The providers.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// A provider, by its id.
    pub fn provider(&self, id: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.id == id)
    }

    /// The provider that names and programs speak of, if one does: the first word that is one of a provider's.
    pub(crate) fn provider_of_words(&self, text: &str) -> Option<&Provider> {
        let text = text.to_ascii_lowercase();
        let mut words = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty());
        words.find_map(|word| {
            let is = |provider: &&Provider| provider.words.iter().any(|known| known == word);
            self.providers.iter().find(is)
        })
    }

    /// The provider whose host this is, or is below.
    pub(crate) fn provider_of_host(&self, host: &str) -> Option<&Provider> {
        let below = |known: &String| {
            host == known
                || host
                    .strip_suffix(known.as_str())
                    .is_some_and(|head| head.ends_with('.'))
        };
        self.providers
            .iter()
            .find(|provider| provider.hosts.iter().any(below))
    }

    /// Every credential of a known shape.
    pub(crate) fn fits(&self, text: &str) -> Vec<Fit> {
        let bytes = text.as_bytes();
        let mut fits = Vec::new();
        for rule in self.set.matches(bytes) {
            let (Some(pattern), Some(known)) = (self.patterns.get(rule), self.all.get(rule)) else {
                continue;
            };
            let mut from = 0;
            while let Some(found) = pattern.captures_at(bytes, from) {
                let Some(whole) = found.get(0) else { break };
                let part = found.get(1).unwrap_or(whole);
                let (start, end) = (part.start(), part.end());
                let is_it = stands_alone(bytes, whole.start(), whole.end())
                    && text
                        .get(start..end)
                        .is_some_and(|text| is_credential(known, text));
                // What does not stand alone is looked at again behind the next sign that no credential has: within a run
                // of letters nothing else can stand alone either, and to look at each would take for ever.
                let rest = bytes.get(whole.start()..whole.end()).unwrap_or_default();
                let next = rest.iter().skip(1).position(|byte| !is_part(*byte));
                from = match next {
                    Some(at) if !is_it => whole.start() + at + 2,
                    _ => whole.end().max(whole.start() + 1),
                };
                if is_it {
                    fits.push(Fit { rule, start, end });
                }
                if from > bytes.len() {
                    break;
                }
            }
        }
        fits
    }

    /// Whether it has the shape of a credential whose checksum does not add up: then it is none, whatever it is called.
    pub(crate) fn is_unsound(&self, text: &str) -> bool {
        let with_sums = self.all.iter().zip(&self.patterns);
        let mut with_sums = with_sums.filter(|(rule, _)| rule.checksum.is_some());
        with_sums.any(|(rule, pattern)| {
            let is_whole = || {
                pattern
                    .find(text.as_bytes())
                    .is_some_and(|found| found.len() == text.len())
            };
            text.starts_with(&rule.prefix) && is_whole() && !is_credential(rule, text)
        })
    }

    /// A text that is shown, without the credentials that may stand in it: a name or a path can hold one as well.
    pub fn redacted(&self, text: &str) -> String {
        let mut fits = self.fits(text);
        fits.sort_by_key(|fit| (fit.start, std::cmp::Reverse(fit.end)));
        let (mut shown, mut end) = (String::with_capacity(text.len()), 0);
        for fit in fits {
            if fit.start < end {
                continue;
            }
            shown.push_str(text.get(end..fit.start).unwrap_or_default());
            shown.push_str(self.all.get(fit.rule).map_or("", |rule| rule.prefix.as_str()));
            shown.push('…');
            end = fit.end;
        }
        shown.push_str(text.get(end..).unwrap_or_default());
        shown
    }
}

/// Whether it could belong to a credential.
fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Nothing that could belong to it stands beside it.
fn stands_alone(bytes: &[u8], start: usize, end: usize) -> bool {
    let is_part = |byte: &u8| is_part(*byte);
    let before = start.checked_sub(1).and_then(|at| bytes.get(at));
    // In JSON, `\n` may stand before it.
    let is_escape = || {
        let slash = start.checked_sub(2).and_then(|at| bytes.get(at));
        slash == Some(&b'\\') && matches!(before, Some(b'n' | b't' | b'r'))
    };
    let begins = before.is_none_or(|byte| !is_part(byte)) || is_escape();
    begins && bytes.get(end).is_none_or(|byte| !is_part(byte))
}

fn is_credential(rule: &Rule, text: &str) -> bool {
    if let Some(checksum) = rule.checksum {
        let prefix = text.find('_').filter(|_| rule.prefix.ends_with('_'));
        let prefix = prefix.and_then(|at| text.get(..=at)).unwrap_or(&rule.prefix);
        return checksum.holds(prefix, text);
    }
    let body = text.strip_prefix(rule.prefix.as_str()).unwrap_or(text);
    !placeholder::is_made_up(body) && entropy::is_random(body)
}
