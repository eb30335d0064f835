//! Protocol revisions and the two eras.

/// A published revision of MCP, by its date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// 2024-11-05: HTTP+SSE.
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP, batches.
    V2025_03_26,
    /// 2025-06-18: the version header.
    V2025_06_18,
    /// 2025-11-25.
    V2025_11_25,
    /// 2026-07-28: stateless; every request describes itself.
    V2026_07_28,
}

impl Revision {
    /// All, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];

    /// The date that names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of that date.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == text)
    }
}

/// Whether a version names a session-era revision; everything else is of the stateless era, known to us or
/// not, and the upstream says whether it speaks it (TP-53).
pub fn is_legacy(version: &str) -> bool {
    Revision::parse(version).is_some_and(|revision| revision < Revision::V2026_07_28)
}

/// A header value that could be the date of some revision; others are judged as such.
pub fn looks_like_a_date(version: &str) -> bool {
    version.len() == 10
        && version.bytes().enumerate().all(|(at, b)| {
            if at == 4 || at == 7 {
                b == b'-'
            } else {
                b.is_ascii_digit()
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eras() {
        assert!(is_legacy("2025-11-25"));
        assert!(!is_legacy("2026-07-28"));
        assert!(!is_legacy("v999"));
        assert!(looks_like_a_date("2027-01-01") && !looks_like_a_date("v9"));
    }
}
