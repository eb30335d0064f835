//! Email addresses, as far as they are looked at.

/// One `@` with something on both sides, and nothing that an address cannot have.
pub(crate) fn is_address(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control();
    text.len() <= 254
        && !text.contains(odd)
        && text
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
}
