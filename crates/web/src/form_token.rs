//! The token in every form that changes something (OS-39): derived from the cookie that the form is bound
//! to, so that it needs no storage, does not change on reload, and fits in every tab (CC-51).

use data_encoding::HEXLOWER;
use keys::{same, sha256};

/// The token for a cookie.
pub fn for_cookie(cookie: &str) -> String {
    HEXLOWER.encode(&sha256(format!("form token\0{cookie}").as_bytes())[..20])
}

/// Whether a form's token fits the cookie that came with it.
pub fn fits(cookie: &str, token: &str) -> bool {
    same(for_cookie(cookie).as_bytes(), token.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_its_cookie_alone() {
        assert!(fits("a", &for_cookie("a")));
        assert!(!fits("b", &for_cookie("a")) && !fits("a", ""));
    }
}
