//! What the kernel says of this process, under the names that dashboards know.

use std::fmt;
use std::fs;

use prometheus_client::registry::Unit;

use super::Writer;
use crate::system;

/// Writes what can be read; elsewhere than on Linux that is nothing.
pub(super) fn write(writer: &mut Writer<'_>) -> fmt::Result {
    if let Some(bytes) = resident() {
        let memory = "process_resident_memory";
        writer.gauge((memory, "Memory in use", Some(Unit::Bytes)), bytes)?;
    }
    if let Some(seconds) = processor_seconds() {
        writer.counter(
            ("process_cpu", "Processor time used", Some(Unit::Seconds)),
            seconds,
        )?;
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        let count = u32::try_from(files.count()).unwrap_or(u32::MAX);
        writer.gauge(
            ("process_open_fds", "Open files and sockets", None),
            f64::from(count),
        )?;
    }
    Ok(())
}

fn resident() -> Option<f64> {
    let pages: u32 = fs::read_to_string("/proc/self/statm")
        .ok()?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    let page = u32::try_from(system::page_size()?).ok()?;
    Some(f64::from(pages) * f64::from(page))
}

fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may hold anything; what follows it begins with the third field.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let ticks = u32::try_from(system::ticks_per_second()?).ok()?;
    Some((f64::from(user) + f64::from(system)) / f64::from(ticks))
}
