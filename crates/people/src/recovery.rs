//! Recovery codes: ten, each of which stands in for the second factor once.
//!
//! A code has 80 random bits, so that its digest gives nothing away, and letters that cannot be taken for one another.

use audit::Person;
use data_encoding::{Encoding, Specification};
use keys::sha256;
use model::AccountId;
use std::sync::LazyLock;

use crate::factors::{FactorError, Factors};

/// How many there are.
const CODES: usize = 10;
const LETTERS: &str = "abcdefghijkmnpqrstuvwxyz23456789";

/// Five bits a letter. That it is sound a test shows; were it not, no code would be accepted.
static ENCODING: LazyLock<Option<Encoding>> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str(LETTERS);
    specification.encoding().ok()
});

impl Factors {
    /// Makes codes in place of all that the account has. They are shown once.
    pub async fn new_recovery_codes(
        &self,
        account: AccountId,
        person: Person,
    ) -> Result<Vec<String>, FactorError> {
        let codes: Vec<String> = (0..CODES)
            .filter_map(|_| Some(grouped(&ENCODING.as_ref()?.encode(&self.world.random::<10>()))))
            .collect();
        let digests: Vec<_> = codes.iter().map(|code| digest(account, code)).collect();
        let now = self.world.now();
        if !self.store.replace_recovery_codes(account, &digests, now).await? {
            return Err(FactorError::Missing);
        }
        self.changed(account, "recovery_codes", "made", person);
        Ok(codes)
    }

    /// Whether this is a code of the account that was not used before; it is used then.
    pub(crate) async fn use_recovery_code(
        &self,
        account: AccountId,
        code: &str,
    ) -> Result<bool, FactorError> {
        let now = self.world.now();
        let digest = digest(account, code);
        Ok(self.store.use_recovery_code(account, &digest, now).await?)
    }
}

fn grouped(letters: &str) -> String {
    let letters: Vec<char> = letters.chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// However it was typed: hyphens, spaces and capitals do not count.
fn digest(account: AccountId, code: &str) -> [u8; 32] {
    let letters: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .take(64)
        .collect();
    sha256(format!("recovery code\0{account}\0{letters}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::id::Id as _;
    use uuid::Uuid;

    #[test]
    fn a_code_is_the_same_however_it_is_typed_and_of_one_account() {
        let ana = AccountId::from_uuid(Uuid::from_u128(1));
        let ben = AccountId::from_uuid(Uuid::from_u128(2));
        let code = grouped(&ENCODING.as_ref().unwrap().encode(&[0xA5; 10]));
        assert_eq!(code.len(), 19, "{code}");
        let known = digest(ana, &code);
        assert_eq!(known, digest(ana, &code.to_uppercase().replace('-', " ")));
        assert_ne!(known, digest(ben, &code));
        assert_ne!(known, digest(ana, &code[..18]));
    }
}
