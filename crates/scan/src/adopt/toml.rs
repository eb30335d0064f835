//! An entry of a TOML file, replaced where it stands; everything around it stays as it is.

use toml_edit::{Array, DocumentMut, TableLike, value};

use super::shape::{Field, is_kept};

/// The text with the entry replaced. None if there is no such entry.
pub(super) fn replaced(text: &str, entry: &[String], fields: &[(&'static str, Field)]) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for name in entry {
        table = table.get_mut(name)?.as_table_like_mut()?;
    }
    let names: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
    for name in names.iter().filter(|name| !is_kept(name)) {
        table.remove(name);
    }
    for (name, field) in fields {
        let item = match field {
            Field::Text(text) => value(text),
            Field::Texts(texts) => value(texts.iter().collect::<Array>()),
        };
        table.insert(name, item);
    }
    Some(document.to_string())
}
