//! Where blocks wait while the database is away: a file `audit-spill` in the data directory, one sealed block a
//! line, because they hold personal data. Bounded; put into the database in order when that is back, or at the
//! next start.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use keys::{Purpose, Sealer, private_file};
use serde::{Deserialize, Serialize};
use store::AuditBlock;
use tracing::error;

use crate::export::BlockHead;

/// Its name in the data directory.
pub(crate) const FILE: &str = "audit-spill";
/// How large it may become, usually.
pub const ROOM: u64 = 64 << 20;

/// The file.
#[derive(Debug)]
pub(crate) struct Spill {
    path: PathBuf,
    sealer: Sealer,
    room: u64,
    /// How much of it has been put into the database.
    replayed: u64,
    length: u64,
}

impl Spill {
    /// In this folder; what an earlier process left is found.
    pub(crate) fn open(folder: &Path, sealer: Sealer, room: u64) -> io::Result<Self> {
        let path = folder.join(FILE);
        let length = match std::fs::metadata(&path) {
            Ok(about) => about.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Self {
            path,
            sealer,
            room,
            replayed: 0,
            length,
        })
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.replayed >= self.length
    }

    /// Adds a block, durably. `false` if there is no room.
    pub(crate) fn add(&mut self, block: &AuditBlock) -> io::Result<bool> {
        let text = serde_json::to_string(&Kept::from(block)).map_err(io::Error::from)?;
        let mut line = self.sealer.ticket(&PURPOSE, &text);
        line.push('\n');
        let size = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.length.saturating_add(size) > self.room {
            return Ok(false);
        }
        let mut file = private_file::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.path)?;
        // After what is known to be whole: a line that broke off half-way is written over.
        file.set_len(self.length)?;
        file.seek(SeekFrom::Start(self.length))?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        if self.length == 0
            && let Some(folder) = self.path.parent()
        {
            // The file may be new: without this a power cut could lose it, whole as it is.
            private_file::sync_folder(folder)?;
        }
        self.length += size;
        Ok(true)
    }

    /// The next block that waits, and where the one after it begins. A line that does not open was being written
    /// when the process ended, or is not ours; it is left out.
    pub(crate) fn next(&self) -> io::Result<Option<(Option<AuditBlock>, u64)>> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut file = BufReader::new(File::open(&self.path)?);
        file.seek(SeekFrom::Start(self.replayed))?;
        let mut line = Vec::new();
        let size = file.read_until(b'\n', &mut line)?;
        if size == 0 {
            return Ok(None);
        }
        let sealed = std::str::from_utf8(&line).ok();
        let opened = sealed.and_then(|sealed| self.sealer.open_ticket(&PURPOSE, sealed.trim_end()).ok());
        let block = opened
            .and_then(|text| serde_json::from_str::<Kept>(&text).ok())
            .and_then(Kept::block);
        if block.is_none() {
            error!(file = %self.path.display(), at = self.replayed, "a block that waited cannot be read");
        }
        Ok(Some((block, self.replayed + u64::try_from(size).unwrap_or(0))))
    }

    /// Everything before `place` is in the database.
    pub(crate) fn done(&mut self, place: u64) -> io::Result<()> {
        self.replayed = place;
        if !self.is_empty() {
            return Ok(());
        }
        (self.replayed, self.length) = (0, 0);
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

const PURPOSE: Purpose<'static> = Purpose {
    purpose: "audit spill",
    owner: "",
};

/// A block as a line.
#[derive(Serialize, Deserialize)]
struct Kept {
    block: BlockHead,
    body: String,
    personal: String,
}

impl From<&AuditBlock> for Kept {
    fn from(block: &AuditBlock) -> Self {
        Self {
            block: BlockHead::from(block),
            body: block.body.clone(),
            personal: block.personal.clone(),
        }
    }
}

impl Kept {
    fn block(self) -> Option<AuditBlock> {
        Some(AuditBlock {
            body: self.body,
            personal: self.personal,
            ..self.block.block()?
        })
    }
}

#[cfg(test)]
mod tests;
