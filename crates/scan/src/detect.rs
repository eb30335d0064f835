//! Credentials in one text: of known shapes, in headers and addresses, as private keys, and by what they are called.

use std::collections::BTreeMap;
use std::ops::Range;

use model::{ExposeSecret as _, SecretString, Timestamp};

use crate::entropy;
use crate::entry::{Entry, entries};
use crate::name::{self, Sort};
use crate::placeholder;
use crate::reading::{Form, Value, values};
use crate::rules::{Provider, Rules, Severity};

mod literal;

pub(crate) use literal::SHAPES;

/// The most of one text.
const HITS: usize = 2_000;

/// A rule that is code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Stands in reports and baselines.
    pub id: &'static str,
    /// For people.
    pub title: &'static str,
    /// How much it matters.
    pub severity: Severity,
}

/// A credential in a text.
#[derive(Debug)]
pub(crate) struct Hit {
    /// The rule's id.
    pub(crate) rule: String,
    /// What it is, for people.
    pub(crate) title: String,
    /// Whose.
    pub(crate) provider: Option<String>,
    /// How much it matters by itself.
    pub(crate) severity: Severity,
    /// Where it stands, in bytes.
    pub(crate) range: Range<usize>,
    /// What it is called.
    pub(crate) path: Vec<String>,
    /// What is public of it.
    pub(crate) prefix: String,
    /// Whether it is long and random, so that a digest of it helps nobody to find it.
    pub(crate) is_strong: bool,
    /// Itself.
    pub(crate) secret: SecretString,
    /// The entry of a client's configuration that it is in.
    pub(crate) entry: Option<Entry>,
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// The text.
    pub(crate) text: &'a str,
    /// Its form.
    pub(crate) form: Form,
    /// Words of the file's name, which may say whose credentials lie there.
    pub(crate) words: &'a str,
    /// The time now, for tokens that say when they end.
    pub(crate) now: Timestamp,
}

/// Everything that was found, sorted by place, of two at one place the better known.
struct Found(BTreeMap<usize, Hit>);

impl Found {
    /// Takes it, unless something at its place is there.
    fn take(&mut self, hit: Hit) {
        let before = self.0.range(..hit.range.end).next_back();
        let is_there = before.is_some_and(|(_, other)| other.range.end > hit.range.start);
        if !is_there && self.0.len() < HITS && !hit.range.is_empty() {
            self.0.insert(hit.range.start, hit);
        }
    }
}

/// Looks.
pub(crate) fn hits(subject: Subject<'_>, rules: &Rules) -> Vec<Hit> {
    let values = values(subject.text, subject.form);
    let entries = entries(&values);
    let mut found = Found(BTreeMap::new());
    known(subject.text, 0, rules, &mut found);
    for value in &values {
        // What is written with escapes shows itself only when it is read.
        if subject.text.get(value.range.clone()) != Some(value.text.as_str()) {
            escaped(value, rules, &mut found);
        }
    }
    literal::private_keys(subject.text, &mut found);
    literal::web_tokens(subject, &mut found);
    literal::addresses(subject, &mut found);
    literal::headers(subject, &mut found);
    for at in 0..values.len() {
        named(at, &values, subject, rules, &mut found);
    }
    let mut hits: Vec<Hit> = found.0.into_values().collect();
    for hit in &mut hits {
        describe(hit, &values, &entries, subject, rules);
    }
    hits
}

fn known(text: &str, offset: usize, rules: &Rules, found: &mut Found) {
    let mut fits = rules.fits(text);
    // The longest first, so that a part of it is not taken in its place.
    fits.sort_by_key(|fit| (fit.start, std::cmp::Reverse(fit.end)));
    for fit in fits {
        let (Some(rule), Some(secret)) = (rules.rules().get(fit.rule), text.get(fit.start..fit.end)) else {
            continue;
        };
        found.take(Hit {
            rule: rule.id.clone(),
            title: rule.title.clone(),
            provider: rule.provider.clone(),
            severity: rule.severity,
            range: fit.start + offset..fit.end + offset,
            path: Vec::new(),
            prefix: rule.prefix.clone(),
            is_strong: secret.len() >= 30,
            secret: secret.to_owned().into(),
            entry: None,
        });
    }
}

/// In a value whose bytes are others than those of the file: the whole value is its place.
fn escaped(value: &Value, rules: &Rules, found: &mut Found) {
    let mut inner = Found(BTreeMap::new());
    known(&value.text, 0, rules, &mut inner);
    for mut hit in inner.0.into_values() {
        hit.range = value.range.clone();
        found.take(hit);
    }
}

/// By what it is called.
fn named(at: usize, all: &[Value], subject: Subject<'_>, rules: &Rules, found: &mut Found) {
    let Some(value) = all.get(at) else { return };
    let (path, text, offset) = name_and_text(value, around(at, all));
    let Some(sort) = name::sort(&path) else { return };
    let (scheme, text) = literal::without_scheme(text);
    let offset = offset + scheme;
    let is_literal = subject.form == Form::Text;
    let shape = match sort {
        // An address is looked at as one, and so is a JSON web token, which may be over.
        _ if literal::is_web_token(text) => return,
        _ if placeholder::is_made_up(text) || text.contains("://") || rules.is_unsound(text) => return,
        Sort::Token if is_literal && (text.len() < 20 || entropy::bits(text) < 3.6) => return,
        Sort::Token if entropy::looks_like_a_token(text) => &literal::NAMED_TOKEN,
        Sort::Basic if literal::is_basic(text) => &literal::BASIC,
        Sort::Password if is_literal && (entropy::kinds(text) < 3 || text.len() < 12) => return,
        Sort::Password if entropy::looks_like_a_password(text) => &literal::NAMED_PASSWORD,
        _ => return,
    };
    // With escapes, places within the value are not those of the file.
    let is_plain = subject.text.get(value.range.clone()) == Some(value.text.as_str());
    let start = value.range.start + offset;
    let range = if is_plain {
        start..start + text.len()
    } else {
        value.range.clone()
    };
    let mut hit = shape.hit(range, text);
    hit.path = path;
    found.take(hit);
}

/// The values that stand beside one. Those that say what it is called do; to look at all would take for ever.
pub(crate) fn around(at: usize, all: &[Value]) -> &[Value] {
    all.get(at.saturating_sub(8)..all.len().min(at + 9))
        .unwrap_or_default()
}

/// What a value is called and what it is: for an argument of a command the flag before it or in it, for
/// `{ name: …, value: … }` the name.
pub(crate) fn name_and_text<'a>(value: &'a Value, all: &'a [Value]) -> (Vec<String>, &'a str, usize) {
    let mut path = value.path.clone();
    let text = value.text.as_str();
    let Some(last) = path.pop() else {
        return (path, text, 0);
    };
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        let sign = text.find(['=', ':']).filter(|at| *at < 60);
        if let Some((at, name)) = sign.and_then(|at| Some((at, text.get(..at)?)))
            && !name.contains([' ', '/'])
        {
            let inner = text.get(at + 1..).unwrap_or_default();
            let trimmed = inner.trim_start();
            path.push(name.trim_start_matches('-').to_owned());
            return (path, trimmed, text.len() - trimmed.len());
        }
        let number = last
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1));
        let before = number.and_then(|number| {
            let is_it = |other: &&Value| {
                other.path.len() == path.len() + 1
                    && other.path.starts_with(&path)
                    && other.path.last().is_some_and(|name| *name == number.to_string())
            };
            all.iter().find(is_it)
        });
        if let Some(flag) = before.filter(|flag| flag.text.starts_with('-')) {
            path.push(flag.text.trim_start_matches('-').to_owned());
            return (path, text, 0);
        }
    }
    if last == "value" {
        let is_name = |other: &&Value| {
            other.path.len() == path.len() + 1
                && other.path.starts_with(&path)
                && other
                    .path
                    .last()
                    .is_some_and(|name| name == "name" || name == "key")
        };
        if let Some(name) = all.iter().find(is_name) {
            path.push(name.text.clone());
            return (path, text, 0);
        }
    }
    path.push(last);
    (path, text, 0)
}

/// What it is called, which entry it is in, and whose it is.
fn describe(hit: &mut Hit, values: &[Value], entries: &[Entry], subject: Subject<'_>, rules: &Rules) {
    let holder = values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.range.start <= hit.range.start && value.range.end >= hit.range.end)
        .min_by_key(|(_, value)| value.range.len());
    if hit.path.is_empty()
        && let Some((at, value)) = holder
    {
        hit.path = name_and_text(value, around(at, values)).0;
    }
    let real_path = holder.map(|(_, value)| value.path.as_slice()).unwrap_or_default();
    hit.entry = entries
        .iter()
        .find(|entry| real_path.starts_with(&entry.path))
        .cloned();
    if hit.provider.is_none() {
        hit.provider = provider(hit, subject, rules).map(|provider| provider.id.clone());
    }
}

/// The provider of something that does not say it itself: by its name, what the entry asks or starts, its file's name.
fn provider<'a>(hit: &Hit, subject: Subject<'_>, rules: &'a Rules) -> Option<&'a Provider> {
    let own = hit.path.last().and_then(|name| rules.provider_of_words(name));
    let of_address =
        || literal::host_of(subject.text, &hit.range).and_then(|host| rules.provider_of_host(host));
    let of_entry = || {
        let entry = hit.entry.as_ref()?;
        let of_host = entry
            .host
            .as_deref()
            .and_then(|host| rules.provider_of_host(host));
        of_host
            .or_else(|| rules.provider_of_words(&entry.name))
            .or_else(|| rules.provider_of_words(&entry.words))
    };
    let of_names = || {
        let names = hit.path.iter().rev();
        let of = |name: &String| {
            rules
                .provider_of_host(name)
                .or_else(|| rules.provider_of_words(name))
        };
        names.map(of).find_map(|provider| provider)
    };
    // What lies in an entry is for the server of that entry; the file is named after the client.
    let of_file = || {
        let is_free = hit.entry.is_none();
        is_free.then(|| rules.provider_of_words(subject.words)).flatten()
    };
    own.or_else(of_address)
        .or_else(of_entry)
        .or_else(of_names)
        .or_else(of_file)
}

impl Shape {
    fn hit(&self, range: Range<usize>, secret: &str) -> Hit {
        let secret = SecretString::from(secret);
        Hit {
            rule: self.id.to_owned(),
            title: self.title.to_owned(),
            provider: None,
            severity: self.severity,
            range,
            path: Vec::new(),
            prefix: String::new(),
            is_strong: self.id == "private-key" && secret.expose_secret().len() >= 30,
            secret,
            entry: None,
        }
    }
}
