//! A YAML text as a tree in which each node knows where it is written.
//!
//! Aliases are not followed, so that no text makes a tree that is bigger than itself, and two trees are alike only if they
//! share the same parts in the same way.

use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle};

use super::{VALUES, Value, lines};

/// Deeper than anything that people write.
const DEPTH: usize = 64;
/// The most nodes of one file.
const NODES: usize = 2 * VALUES;

/// A node, and where it is written.
#[derive(Debug)]
pub(crate) struct Node {
    /// What it is.
    pub(crate) kind: Kind,
    /// The number of its anchor, 0 if it has none.
    pub(crate) anchor: usize,
    /// Its tag, as it is meant.
    pub(crate) tag: Option<String>,
    /// From its first to behind its last character, without its anchor and its tag.
    pub(crate) range: Range<usize>,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A text, or what is read as a number, a truth or nothing if it is plain.
    Scalar { text: String, is_plain: bool },
    /// A list.
    Sequence(Vec<Node>),
    /// Names with values.
    Mapping {
        pairs: Vec<(Node, Node)>,
        is_block: bool,
    },
    /// The node with this anchor once more.
    Alias(usize),
}

impl Node {
    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether both mean the same, wherever they are written.
    pub(crate) fn means(&self, other: &Self) -> bool {
        let all = |these: &[Self], those: &[Self]| {
            these.len() == those.len() && these.iter().zip(those).all(|(this, that)| this.means(that))
        };
        let is_same = match (&self.kind, &other.kind) {
            (
                Kind::Scalar { text, is_plain },
                Kind::Scalar {
                    text: of,
                    is_plain: is,
                },
            ) => text == of && is_plain == is,
            (Kind::Sequence(these), Kind::Sequence(those)) => all(these, those),
            (Kind::Mapping { pairs: these, .. }, Kind::Mapping { pairs: those, .. }) => {
                let mut both = these.iter().zip(those);
                these.len() == those.len() && both.all(|(this, that)| same_pair(this, that))
            }
            (Kind::Alias(this), Kind::Alias(that)) => this == that,
            _ => false,
        };
        is_same && self.anchor == other.anchor && self.tag == other.tag
    }

    /// Whether anything in it is elsewhere as well: an anchor, an alias, or a merge key.
    pub(crate) fn is_shared(&self) -> bool {
        self.anchor != 0
            || match &self.kind {
                Kind::Scalar { .. } => false,
                Kind::Alias(_) => true,
                Kind::Sequence(nodes) => nodes.iter().any(Self::is_shared),
                Kind::Mapping { pairs, .. } => pairs
                    .iter()
                    .any(|(name, value)| name.is_merge() || name.is_shared() || value.is_shared()),
            }
    }

    /// Whether this is the name under which another mapping is merged into one (yaml.org/type/merge).
    pub(crate) fn is_merge(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, is_plain: true } if text == "<<")
    }
}

/// Whether names and values mean the same.
pub(crate) fn same_pair(this: &(Node, Node), that: &(Node, Node)) -> bool {
    this.0.means(&that.0) && this.1.means(&that.1)
}

/// The only document of a text. None if it is no YAML, or more than one document.
pub(crate) fn read(text: &str) -> Option<Node> {
    let mut documents = documents(text)?;
    let root = documents.pop()?;
    documents.is_empty().then_some(root)
}

/// Every document of a text. None if it is no YAML.
fn documents(text: &str) -> Option<Vec<Node>> {
    let mut reader = Reader {
        text,
        nodes: 0,
        events: events(text),
    };
    let Event::StreamStart = reader.next()?.0 else {
        return None;
    };
    let mut documents = Vec::new();
    loop {
        match reader.next()?.0 {
            Event::StreamEnd => return Some(documents),
            Event::DocumentStart(..) => {}
            _ => return None,
        }
        let first = reader.next()?;
        documents.push(reader.node(first, 0)?);
        let Event::DocumentEnd = reader.next()?.0 else {
            return None;
        };
    }
}

/// The values of a text, each from its first to behind its last character, without quotes where it is written as it is, and what
/// the lines say of those that have several. None if it is no YAML.
pub(super) fn values(text: &str) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    for document in documents(text)? {
        collect(&document, &mut Vec::new(), &mut values);
    }
    let with_lines = values.into_iter().flat_map(|mut value| {
        let whole = text.get(value.range.clone()).unwrap_or_default();
        let (start, path) = (value.range.start, value.path.clone());
        if whole.get(1..whole.len().saturating_sub(1)) == Some(value.text.as_str()) {
            value.range = start + 1..value.range.end - 1;
        }
        // A script, or a file that is kept in this one.
        let lines = whole.contains('\n').then(|| lines::assignments(whole));
        let lines = lines.into_iter().flatten().map(move |line| Value {
            path: [path.as_slice(), &line.path].concat(),
            text: line.text,
            range: start + line.range.start..start + line.range.end,
        });
        std::iter::once(value).chain(lines)
    });
    Some(with_lines.take(VALUES).collect())
}

/// What the comments of a text say. None if it is no YAML.
pub(crate) fn comments(text: &str) -> Option<Vec<Range<usize>>> {
    let mut comments = Vec::new();
    for event in events(text) {
        if let (Event::Comment(..), span) = event.ok()? {
            let range = span.byte_range()?;
            comments.push(range.start + 1..range.end);
        }
    }
    Some(comments)
}

fn collect(node: &Node, path: &mut Vec<String>, values: &mut Vec<Value>) {
    match &node.kind {
        // Nothing is nothing, however it is written.
        Kind::Scalar { text, .. } if !text.is_empty() && !node.range.is_empty() => values.push(Value {
            path: path.clone(),
            text: text.clone(),
            range: node.range.clone(),
        }),
        Kind::Sequence(nodes) => {
            for (at, node) in nodes.iter().enumerate() {
                path.push(at.to_string());
                collect(node, path, values);
                path.pop();
            }
        }
        Kind::Mapping { pairs, .. } => {
            for (name, value) in pairs {
                path.push(name.text().unwrap_or_default().to_owned());
                collect(value, path, values);
                path.pop();
            }
        }
        Kind::Scalar { .. } | Kind::Alias(_) => {}
    }
}

fn events(text: &str) -> impl Iterator<Item = Result<(Event<'_>, Span), granit_parser::ScanError>> {
    let mut options = Options::default();
    // As many as there can be in a file that is read.
    options.max_buffered_comment_events = NODES;
    Parser::new_from_str_with_options(text, options)
}

struct Reader<'a, I> {
    text: &'a str,
    nodes: usize,
    events: I,
}

impl<'a, I: Iterator<Item = Result<(Event<'a>, Span), granit_parser::ScanError>>> Reader<'a, I> {
    fn next(&mut self) -> Option<(Event<'a>, Range<usize>)> {
        loop {
            let (event, span) = self.events.next()?.ok()?;
            if !matches!(event, Event::Comment(..)) {
                return Some((event, span.byte_range()?));
            }
        }
    }

    fn node(&mut self, (event, range): (Event<'a>, Range<usize>), depth: usize) -> Option<Node> {
        self.nodes += 1;
        if depth > DEPTH || self.nodes > NODES {
            return None;
        }
        let start = range.start;
        let tag = |tag: Option<std::borrow::Cow<'_, granit_parser::Tag>>| tag.map(|tag| tag.to_string());
        Some(match event {
            Event::Scalar(text, style, anchor, of) => Node {
                range: start..self.scalar_end(&range, style),
                kind: Kind::Scalar {
                    text: text.into_owned(),
                    is_plain: style == ScalarStyle::Plain,
                },
                anchor,
                tag: tag(of),
            },
            Event::Alias(anchor) => Node {
                kind: Kind::Alias(anchor),
                anchor: 0,
                tag: None,
                range,
            },
            Event::SequenceStart(style, anchor, of) => {
                let mut nodes = Vec::new();
                let end = loop {
                    match self.next()? {
                        (Event::SequenceEnd, range) => break range.end,
                        first => nodes.push(self.node(first, depth + 1)?),
                    }
                };
                let last = nodes.last().map_or(start, |node| node.range.end);
                let end = if style == StructureStyle::Flow { end } else { last };
                Node {
                    kind: Kind::Sequence(nodes),
                    anchor,
                    tag: tag(of),
                    range: start..end,
                }
            }
            Event::MappingStart(style, anchor, of) => {
                let mut pairs: Vec<(Node, Node)> = Vec::new();
                let end = loop {
                    let name = match self.next()? {
                        (Event::MappingEnd, range) => break range.end,
                        first => self.node(first, depth + 1)?,
                    };
                    let first = self.next()?;
                    let mut value = self.node(first, depth + 1)?;
                    // Nothing is written behind its name, wherever the parser notices.
                    if value.range.is_empty() {
                        value.range = name.range.end..name.range.end;
                    }
                    pairs.push((name, value));
                };
                let last = pairs
                    .last()
                    .map_or(start, |(name, value)| value.range.end.max(name.range.end));
                let is_block = style == StructureStyle::Block;
                let end = if is_block { last } else { end };
                Node {
                    kind: Kind::Mapping { pairs, is_block },
                    anchor,
                    tag: tag(of),
                    range: start..end,
                }
            }
            _ => return None,
        })
    }

    /// Where a scalar ends. The parser counts the white space below a block scalar to it.
    fn scalar_end(&self, range: &Range<usize>, style: ScalarStyle) -> usize {
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let written = self.text.get(range.clone()).filter(|_| is_block);
        written.map_or(range.end, |text| range.start + text.trim_end().len())
    }
}
