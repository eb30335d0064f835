//! Messages from a pipe: one per line, none longer than memory may hold.
//!
//! A line that is too long is read to its end and thrown away, but for the parts of it in which its id stands, so that
//! whoever waits for an answer gets one.

use std::io::{self, BufRead};

/// So much of either end of a line that is too long is kept.
const END: usize = 256;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A message, or what should be one.
    Text(Vec<u8>),
    /// One that is longer than the limit.
    TooLong {
        /// The id of the message as JSON text, if it could be made out.
        id: Option<String>,
    },
}

/// Reads lines.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    limit: usize,
}

impl<R: BufRead> Lines<R> {
    /// From this reader; none is longer than `limit` bytes.
    pub fn new(reader: R, limit: usize) -> Self {
        Self { reader, limit }
    }

    /// The next line that is not blank; none at the end. What stands there without a line's end is a line too.
    ///
    /// # Errors
    /// The pipe broke.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let Some(line) = self.line()? else {
                return Ok(None);
            };
            match &line {
                Line::Text(text) if text.trim_ascii().is_empty() => {}
                _ => return Ok(Some(line)),
            }
        }
    }

    fn line(&mut self) -> io::Result<Option<Line>> {
        let mut text = Vec::new();
        let mut long: Option<Long> = None;
        let mut has_begun = false;
        loop {
            let chunk = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            let end = memchr::memchr(b'\n', chunk);
            let part = &chunk[..end.unwrap_or(chunk.len())];
            let is_over = chunk.is_empty() || end.is_some();
            has_begun |= !chunk.is_empty();
            match &mut long {
                Some(long) => long.add(part),
                None if text.len() + part.len() > self.limit => {
                    let mut begun = Long::new(&text);
                    begun.add(part);
                    text = Vec::new();
                    long = Some(begun);
                }
                None => text.extend_from_slice(part),
            }
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if is_over {
                let line = match long {
                    Some(long) => Line::TooLong { id: long.id() },
                    None => Line::Text(text),
                };
                return Ok(has_begun.then_some(line));
            }
        }
    }
}

/// The ends of a line.
struct Long {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Long {
    fn new(text: &[u8]) -> Self {
        let mut this = Self {
            head: Vec::with_capacity(END),
            tail: Vec::with_capacity(2 * END),
        };
        this.add(text);
        this
    }

    fn add(&mut self, part: &[u8]) {
        let room = END - self.head.len();
        self.head.extend_from_slice(&part[..room.min(part.len())]);
        self.tail
            .extend_from_slice(&part[part.len().saturating_sub(END)..]);
        let surplus = self.tail.len().saturating_sub(END);
        self.tail.drain(..surplus);
    }

    /// The id, where it is among the first members or the last one. Within a text its quotes would be escaped.
    fn id(&self) -> Option<String> {
        const NAME: &str = "\"id\":";
        let (head, tail) = (
            String::from_utf8_lossy(&self.head),
            String::from_utf8_lossy(&self.tail),
        );
        let last = tail.trim_end().strip_suffix('}');
        let last = last.and_then(|text| Some(text.rsplit_once(NAME)?.1.trim()));
        let first = head.trim_start().strip_prefix('{').unwrap_or_default();
        let first = first.split(['{', '[']).next().unwrap_or_default();
        let first = first
            .split_once(NAME)
            .map(|(_, rest)| rest.split([',', '}']).next().unwrap_or_default().trim());
        first
            .into_iter()
            .chain(last)
            .find(|text| is_id(text))
            .map(str::to_owned)
    }
}

/// A whole number, or a text without anything that would have to be escaped.
fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    is_number || inner.is_some_and(|inner| !inner.contains(['"', '\\']) && !inner.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{BufReader, Read};

    /// Gives no more than so many bytes at a time.
    struct Drops<'a>(&'a [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len()).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn all(text: &[u8], limit: usize, drops: usize) -> Vec<Line> {
        let mut lines = Lines::new(BufReader::with_capacity(16, Drops(text, drops)), limit);
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push(line);
        }
        found
    }

    #[test]
    fn a_line_that_is_too_long_is_known_by_its_id() {
        let id = |text: &str| match &all(text.as_bytes(), 40, 7)[..] {
            [Line::TooLong { id }] => id.clone(),
            other => panic!("{other:?}"),
        };
        let long = "x".repeat(2000);
        for (text, expected) in [
            (
                format!(r#"{{"jsonrpc":"2.0","id":17,"method":"m","params":{{"a":"{long}"}}}}"#),
                Some("17"),
            ),
            (
                format!(r#"{{"method":"m","params":{{"a":"{long}"}},"jsonrpc":"2.0","id":"a-1"}}"#),
                Some("\"a-1\""),
            ),
            (
                format!(r#"{{"method":"m","params":{{"a":"{long}", "id":3}}}}"#),
                None,
            ),
            (
                format!(r#"{{"method":"m","params":{{"id":4,"a":"{long}"}}}}"#),
                None,
            ),
            (format!(r#"{{"method":"m","a":"{long}\"id\":5}}"}}"#), None),
            (long.clone(), None),
        ] {
            assert_eq!(id(&text).as_deref(), expected, "{}", &text[..60]);
        }
    }

    proptest! {
        /// However the bytes arrive, each line is given once, whole or as one that is too long, and what follows is not lost.
        #[test]
        fn no_line_is_lost_whatever_stands_before_it(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>().prop_filter("not an end", |b| *b != b'\n'), 0..60), 0..8),
            drops in 1_usize..9,
            ends in any::<bool>(),
        ) {
            let mut text = lines.join(&b'\n');
            if ends {
                text.push(b'\n');
            }
            let expected: Vec<_> = lines
                .iter()
                .filter(|line| line.len() > 30 || !line.trim_ascii().is_empty())
                .map(|line| (line.len() <= 30).then(|| line.clone()))
                .collect();
            let found: Vec<_> = all(&text, 30, drops)
                .into_iter()
                .map(|line| match line {
                    Line::Text(text) => Some(text),
                    Line::TooLong { .. } => None,
                })
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
