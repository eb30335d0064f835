//! `traceparent` (W3C Trace Context, section 3.2): which trace a request belongs to, and which span called.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use thiserror::Error;

/// Where a request stands in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span that called.
    pub span_id: [u8; 8],
    /// Bit 0: it is recorded.
    pub flags: u8,
}

/// A text that is no `traceparent`; such a text says nothing (section 3.2.2.3).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a traceparent")]
pub struct BadTraceParent;

impl FromStr for TraceParent {
    type Err = BadTraceParent;
    fn from_str(text: &str) -> Result<Self, BadTraceParent> {
        let mut parts = text.splitn(4, '-');
        let mut part = || parts.next().ok_or(BadTraceParent);
        let [version] = hex(part()?)?;
        let (trace_id, span_id) = (hex(part()?)?, hex(part()?)?);
        let rest = part()?;
        // A later version may say more behind a dash; the first one says nothing.
        let flags = rest
            .split_once('-')
            .filter(|_| version > 0)
            .map_or(rest, |(flags, _)| flags);
        let [flags] = hex(flags)?;
        if version == 0xff || trace_id == [0; 16] || span_id == [0; 8] {
            return Err(BadTraceParent);
        }
        Ok(Self {
            trace_id,
            span_id,
            flags,
        })
    }
}

fn hex<const N: usize>(text: &str) -> Result<[u8; N], BadTraceParent> {
    let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| BadTraceParent)?;
    bytes.try_into().map_err(|_| BadTraceParent)
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace_id, span_id) = (HEXLOWER.encode(&self.trace_id), HEXLOWER.encode(&self.span_id));
        write!(f, "00-{trace_id}-{span_id}-{:02x}", self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}") {
            if let Ok(parsed) = text.parse::<TraceParent>() {
                prop_assert_eq!(&parsed.to_string()[2..], &text[2..]);
            }
        }

        #[test]
        fn nothing_makes_it_fall(text in any::<String>()) {
            let _ = text.parse::<TraceParent>();
        }
    }

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn reads_what_the_standard_says_and_nothing_else() {
        let parsed: TraceParent = GOOD.parse().unwrap();
        assert_eq!((parsed.to_string().as_str(), parsed.flags), (GOOD, 1));
        assert!(
            format!("cc{}-what-comes", &GOOD[2..])
                .parse::<TraceParent>()
                .is_ok()
        );
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        ] {
            assert_eq!(bad.parse::<TraceParent>(), Err(BadTraceParent), "{bad}");
        }
    }
}
