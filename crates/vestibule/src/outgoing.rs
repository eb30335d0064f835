//! The audit record on its way out, whatever form it has.

use std::sync::Arc;

use audit::export::Export;
use audit::readable::Readable;

use crate::operator::audit_record::{Format, Wanted, names};
use crate::operator::{Failure, Operator};

/// Gives the record piece by piece.
#[derive(Debug)]
pub enum Outgoing {
    /// All of it, with its proof.
    Proven(Box<Export>),
    /// What fits, for other tools.
    Readable(Box<Readable>),
}

impl Outgoing {
    /// Begins, on record.
    ///
    /// # Errors
    /// If the database does not answer, or what is wanted cannot be.
    pub async fn begin(operator: &Operator<'_>, wanted: &Wanted, format: Format) -> Result<Self, Failure> {
        let foundation = operator.foundation;
        let filter = wanted.filter(operator).await?;
        operator.record("audit export", &"");
        foundation
            .recorder
            .flush()
            .await
            .map_err(|error| Failure::Unavailable(error.to_string()))?;
        if format == Format::Jsonl && wanted.is_everything() {
            let signer = Arc::clone(&foundation.signer);
            let begun =
                Export::begin(&foundation.world, &*foundation.store, signer, &foundation.sealer).await?;
            return Ok(Self::Proven(Box::new(begun)));
        }
        let names = names(operator).await?;
        let readable = Readable::new(filter, format.form(), names, env!("CARGO_PKG_VERSION"));
        Ok(Self::Readable(Box::new(readable)))
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn next(&mut self, operator: &Operator<'_>) -> Result<Option<String>, Failure> {
        let store = &*operator.foundation.store;
        let next = match self {
            Self::Proven(export) => export.next(store).await,
            Self::Readable(readable) => readable.next(store).await,
        };
        Ok(next?)
    }
}
