//! The load under which a program learns which of its code is hot. See [`crate::guided`].

use std::path::Path;

use super::gateway::{Load, prepared};
use super::ground::{Ground, Size};
use super::{issuer, load};
use crate::postgres::Postgres;

/// For how long each kind of call.
const SECONDS: u32 = 3;

/// Lets the program do for a while what a door does most, and end in good order, so that it writes down what it counted.
pub(crate) fn train(program: &Path) -> anyhow::Result<()> {
    let ground = prepared(Ground::lay(Size::default(), program.to_owned())?)?;
    let door = ground.open()?;
    for call in Load::ALL.into_iter().filter_map(Load::call) {
        load::write_script(&ground, call)?;
        load::round(&ground, &door, call, SECONDS)?;
    }
    load::first_byte(&ground, door.address, "1000")?;
    door.stop()?;
    // What is not seen to be used is compiled to be small, so all that is asked for often must be.
    let postgres = Postgres::durable()?;
    for grant in ["refresh", "code"] {
        for database in [None, Some(postgres.database(grant)?)] {
            let size = Size {
                postgres: database,
                ..Size::default()
            };
            issuer::measure(size, program.to_owned(), grant, 1)?;
        }
    }
    Ok(())
}
