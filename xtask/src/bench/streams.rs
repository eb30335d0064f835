//! What an open stream holds in memory.

use super::ground::Ground;
use super::machine::Talking;
use super::proxies::{PATH, Row};
use super::table::{Findings, Target};

/// Opens streams through each row, one row after the other.
pub(crate) fn measure(
    ground: &Ground,
    rows: &[Row],
    quick: bool,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let counts: &[u32] = if quick { &[1000] } else { &[1000, 9000] };
    for count in counts {
        for row in rows.iter().filter(|row| **row != Row::Direct) {
            let each = open(ground, *row, *count)?;
            findings.figure(format!("{count} open streams"), row.name(), "KiB each", each);
            if *row == Row::Vestibule {
                let text = format!("resident per open stream of {count}, KiB");
                findings.target(Target::at_most(text, each, 32.0));
            }
        }
    }
    Ok(())
}

/// KiB that each of so many streams adds.
fn open(ground: &Ground, row: Row, count: u32) -> anyhow::Result<f64> {
    let serving = row.start(ground)?;
    let (address, tokens) = (serving.address.to_string(), ground.path("tokens"));
    // A few first, so that what every proxy needs once is not counted.
    let number = count.to_string();
    let open = |number: &str| -> anyhow::Result<Talking> {
        let mut few = Talking::start(&["streams", &address, PATH, &tokens, number])?;
        few.hear()?;
        Ok(few)
    };
    let _few = open("64")?;
    let before = serving.used()?.resident;
    let _many = open(&number)?;
    let after = serving.used()?.resident;
    #[expect(clippy::cast_precision_loss, reason = "a measurement")]
    let added = after.saturating_sub(before) as f64;
    Ok(added / 1024.0 / f64::from(count))
}
