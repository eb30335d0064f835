//! The dice of a running server.

use aws_lc_rs::rand;
use model::Entropy;

/// The operating system's generator, by way of `aws-lc-rs`.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if rand::fill(bytes).is_err() {
            // Without randomness every secret would be guessable; nothing may go on.
            std::process::abort();
        }
    }
}
