//! How sure it is who somebody is: classes of a proof, weakest first.
//!
//! As `acr` (OpenID Connect Core section 2) the two upper ones have names that others know too: two factors are
//! the REFEDS MFA profile, a passkey is `phr` (phishing-resistant) of the OpenID Extended Authentication Profile. One
//! factor has no name, so nobody can take it for more.

/// A class of proof. Each is at least as good as those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assurance {
    /// A password, or what a provider says without more.
    #[default]
    OneFactor,
    /// Two factors of different kinds, such as a password and a code.
    TwoFactors,
    /// A passkey whose device verified its owner: two factors in one, and no other site can ask for it.
    Passkey,
}

impl Assurance {
    /// The classes with a name, weakest first.
    pub const NAMED: [Self; 2] = [Self::TwoFactors, Self::Passkey];

    /// Its `acr`.
    pub const fn acr(self) -> Option<&'static str> {
        match self {
            Self::OneFactor => None,
            Self::TwoFactors => Some("https://refeds.org/profile/mfa"),
            Self::Passkey => Some("phr"),
        }
    }

    /// Its place, from 1; as policies in files compare it.
    pub const fn rank(self) -> i64 {
        match self {
            Self::OneFactor => 1,
            Self::TwoFactors => 2,
            Self::Passkey => 3,
        }
    }

    /// The class that an `acr` names; what we do not know is one factor.
    pub fn of_acr(acr: Option<&str>) -> Self {
        let named = |class: &Self| class.acr().is_some() && class.acr() == acr;
        Self::NAMED.into_iter().find(named).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OpenID Connect Core section 2: what we name is understood again, and nothing else counts.
    #[test]
    fn a_class_is_found_by_its_name_alone() {
        for class in [Assurance::OneFactor, Assurance::TwoFactors, Assurance::Passkey] {
            assert_eq!(Assurance::of_acr(class.acr()), class);
        }
        for other in ["", "2", "PHR", "phrh", "https://refeds.org/profile/sfa"] {
            assert_eq!(Assurance::of_acr(Some(other)), Assurance::OneFactor, "{other}");
        }
        assert!(Assurance::OneFactor.rank() < Assurance::TwoFactors.rank());
        assert!(Assurance::TwoFactors.rank() < Assurance::Passkey.rank());
        assert!(Assurance::OneFactor < Assurance::TwoFactors && Assurance::TwoFactors < Assurance::Passkey);
    }
}
