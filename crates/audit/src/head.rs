//! The end of the own chain, kept outside the database: a file `audit-chain` in the data directory. A tail that
//! was cut off in the database while nothing ran is found by it at the next start.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use keys::private_file;
use model::World;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::block::Tip;

/// Its name in the data directory.
pub const FILE: &str = "audit-chain";

/// What the file says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) chain: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hash: Option<String>,
    /// The key that signed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
}

impl Kept {
    /// A chain of its own that has nothing yet.
    pub(crate) fn fresh(world: &World) -> Self {
        let id: model::EventId = world.new_id();
        Self::of(model::id::Id::uuid(id))
    }

    pub(crate) fn of(chain: Uuid) -> Self {
        Self {
            chain,
            number: None,
            hash: None,
            key: None,
        }
    }

    /// The same chain with this end.
    pub(crate) fn at(chain: Uuid, tip: &Tip, key: &str) -> Self {
        Self {
            chain,
            number: Some(tip.number),
            hash: Some(HEXLOWER.encode(&tip.hash)),
            key: Some(key.to_owned()),
        }
    }
}

/// Reads the file. Versions before wrote the chain's id alone.
pub(crate) fn read(folder: &Path) -> io::Result<Option<Kept>> {
    let text = match std::fs::read_to_string(folder.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if let Ok(chain) = text.trim().parse() {
        return Ok(Some(Kept::of(chain)));
    }
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|_| io::Error::other("holds no chain"))
}

/// Writes the file: whoever reads it finds the old text or the new one, also after a power cut.
pub(crate) fn write(folder: &Path, kept: &Kept) -> io::Result<()> {
    let path = folder.join(FILE);
    let draft: PathBuf = folder.join("audit-chain.new");
    let mut file = private_file::options()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&draft)?;
    let text = serde_json::to_string(kept).map_err(io::Error::from)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&draft, &path)?;
    private_file::sync_folder(folder)
}

/// Forgets the chain, so that the next start begins another: what it wrote is no longer expected in the database.
pub fn forget(folder: &Path) -> io::Result<()> {
    for name in [FILE, crate::spill::FILE] {
        match std::fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
