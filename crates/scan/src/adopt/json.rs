//! An entry of a JSON file, replaced where it stands; everything around it stays as it is, comments too.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};

use super::shape::{Field, is_kept};

/// The text with the entry replaced. None if there is no such entry.
pub(super) fn replaced(text: &str, entry: &[String], fields: &[(&'static str, Field)]) -> Option<String> {
    let root = CstRootNode::parse(text, &ParseOptions::default()).ok()?;
    let mut object: CstObject = root.object_value()?;
    for name in entry {
        object = object.get(name)?.object_value()?;
    }
    for property in object.properties() {
        let name = property.decoded_name()?;
        if !is_kept(&name) {
            property.remove();
        }
    }
    for (at, (name, value)) in fields.iter().enumerate() {
        let value = match value {
            Field::Text(text) => CstInputValue::String(text.clone()),
            Field::Texts(texts) => {
                CstInputValue::Array(texts.iter().cloned().map(CstInputValue::String).collect())
            }
        };
        object.insert(at, name, value);
    }
    Some(root.to_string())
}
