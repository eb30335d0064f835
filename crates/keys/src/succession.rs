//! Sealing a rotated refresh token's successor under the token it replaced (CC-65).
//!
//! The database keeps digests of tokens, so it cannot hand the successor out again by itself: only somebody
//! who still holds the predecessor in clear can open the link. That is what re-delivery after a lost reply
//! needs and all that a stolen database does not give.

use model::{GrantId, OpaqueToken, World};
use zeroize::Zeroizing;

use crate::seal::{OpenError, derive, open, seal_with};

/// Seals `successor` so that only the holder of `predecessor` can open it.
pub fn seal(world: &World, predecessor: &OpaqueToken, grant: GrantId, successor: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(successor.len() + 28);
    seal_with(
        &mut bytes,
        &key(predecessor),
        world.random(),
        grant.to_string().as_bytes(),
        successor,
    );
    bytes
}

/// Opens a link with the token it was sealed under.
pub fn unseal(
    predecessor: &OpaqueToken,
    grant: GrantId,
    link: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    open(&key(predecessor), grant.to_string().as_bytes(), link)
}

fn key(predecessor: &OpaqueToken) -> Zeroizing<[u8; 32]> {
    derive(
        predecessor.expose().as_bytes(),
        "vestibule refresh succession",
        "link",
    )
}
