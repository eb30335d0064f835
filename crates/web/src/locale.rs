//! Languages: English and Traditional Chinese, chosen by `Accept-Language`.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use fluent_langneg::{NegotiationStrategy, convert_vec_str_to_langids_lossy, negotiate_languages};
use unic_langid::LanguageIdentifier;

/// A language of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Locale {
    /// English.
    #[default]
    English,
    /// Traditional Chinese.
    TraditionalChinese,
}

static ENGLISH: LazyLock<Texts> = LazyLock::new(|| texts("en", include_str!("../locales/en.ftl")));
static CHINESE: LazyLock<Texts> = LazyLock::new(|| texts("zh-Hant", include_str!("../locales/zh-Hant.ftl")));

type Texts = FluentBundle<FluentResource>;

fn texts(language: &str, source: &str) -> Texts {
    let language: LanguageIdentifier = language.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    // Names are cleaned of direction marks when they are read; no marks are added around them here.
    bundle.set_use_isolating(false);
    let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(partial, _)| partial);
    bundle.add_resource_overriding(resource);
    bundle
}

impl Locale {
    /// The best of ours for an `Accept-Language` header.
    pub fn negotiate(header: Option<&str>) -> Self {
        let wanted = header
            .map(fluent_langneg::parse_accepted_languages)
            .unwrap_or_default();
        let ours = convert_vec_str_to_langids_lossy(["en", "zh-Hant", "zh-TW", "zh-HK", "zh-MO"]);
        let default: fluent_langneg::LanguageIdentifier = "en".parse().unwrap_or_default();
        let best = negotiate_languages(&wanted, &ours, Some(&default), NegotiationStrategy::Lookup);
        match best.first().map(|language| language.language.as_str()) {
            Some("zh") => Self::TraditionalChinese,
            _ => Self::English,
        }
    }

    /// The tag for `lang` attributes.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::TraditionalChinese => "zh-Hant",
        }
    }

    /// A text.
    pub fn t(self, key: &str) -> String {
        self.format(key, &FluentArgs::new())
    }

    /// A text with one thing filled in.
    pub fn t1(self, key: &str, name: &str, value: impl AsRef<str>) -> String {
        let mut args = FluentArgs::new();
        args.set(name.to_owned(), value.as_ref().to_owned());
        self.format(key, &args)
    }

    /// A text with two things filled in.
    pub fn t2(
        self,
        key: &str,
        name: &str,
        value: impl AsRef<str>,
        other: &str,
        second: impl AsRef<str>,
    ) -> String {
        let mut args = FluentArgs::new();
        args.set(name.to_owned(), value.as_ref().to_owned());
        args.set(other.to_owned(), second.as_ref().to_owned());
        self.format(key, &args)
    }

    /// A text with three things filled in.
    pub fn t3(
        self,
        key: &str,
        first: (&str, String),
        second: (&str, String),
        third: (&str, String),
    ) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in [first, second, third] {
            args.set(name.to_owned(), value);
        }
        self.format(key, &args)
    }

    /// A text with a number in it.
    pub fn tn(self, key: &str, name: &str, count: u64) -> String {
        let mut args = FluentArgs::new();
        args.set(name.to_owned(), count);
        self.format(key, &args)
    }

    fn format(self, key: &str, args: &FluentArgs<'_>) -> String {
        let texts = match self {
            Self::English => &*ENGLISH,
            Self::TraditionalChinese => &*CHINESE,
        };
        let Some(pattern) = texts.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        texts
            .format_pattern(pattern, Some(args), &mut Vec::new())
            .into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn chooses_by_accept_language() {
        let of = |header| Locale::negotiate(Some(header));
        assert_eq!(of("zh-TW,zh;q=0.9,en;q=0.8"), Locale::TraditionalChinese);
        assert_eq!(of("zh-Hant"), Locale::TraditionalChinese);
        assert_eq!(of("zh-HK"), Locale::TraditionalChinese);
        assert_eq!(of("en-GB,zh-TW;q=0.5"), Locale::English);
        assert_eq!(of("de,fr"), Locale::English);
        assert_eq!(of("garbage;;;"), Locale::English);
        assert_eq!(Locale::negotiate(None), Locale::English);
    }

    fn keys(source: &str) -> BTreeSet<String> {
        let lines = source
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        lines
            .filter_map(|line| line.split_once(" ="))
            .map(|(key, _)| key.to_owned())
            .collect()
    }

    /// Every text exists in both languages, is used, and every used text exists.
    #[test]
    fn texts_are_complete_and_none_is_left_over() {
        let (english, chinese) = (
            keys(include_str!("../locales/en.ftl")),
            keys(include_str!("../locales/zh-Hant.ftl")),
        );
        assert_eq!(english, chinese);
        let mut sources = String::new();
        for folder in ["src", "templates"] {
            for entry in std::fs::read_dir(format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"))).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() && !path.ends_with("locale.rs") {
                    sources.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        // A long call stands on several lines.
        let sources = sources
            .split("(\n")
            .map(str::trim_start)
            .collect::<Vec<_>>()
            .join("(");
        let mut used = BTreeSet::new();
        for call in [
            ".t(\"",
            ".t1(\"",
            ".t2(\"",
            ".t3(\"",
            ".tn(\"",
            " fact(\"",
            "![fact(\"",
            " said(\"",
        ] {
            for (at, _) in sources.match_indices(call) {
                let rest = &sources[at + call.len()..];
                used.insert(rest[..rest.find('"').unwrap()].to_owned());
            }
        }
        // Keys that are put together: each begins with one of these.
        let made = ["scope-", "kind-", "refused-"];
        let missing: Vec<_> = used.difference(&english).collect();
        assert!(missing.is_empty(), "used but not written: {missing:?}");
        let unused: Vec<_> = english
            .difference(&used)
            .filter(|key| !made.iter().any(|prefix| key.starts_with(prefix)))
            .collect();
        assert!(unused.is_empty(), "written but not used: {unused:?}");
    }
}
