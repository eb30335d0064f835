//! An entry, and by what it is known for good.

use std::collections::HashMap;
use std::fmt::Write as _;

use ldap3::SearchEntry;

use crate::filter::Value;

/// By which attribute an entry is known, whatever it is called later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdOf(String);

impl IdOf {
    /// Active Directory's: bytes, which people and tools write as a GUID.
    const GUID: &str = "objectGUID";

    /// By this one.
    pub fn attribute(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.0
    }

    fn is_guid(&self) -> bool {
        self.0.eq_ignore_ascii_case(Self::GUID)
    }

    /// The id in words; `None` if the value can be no id.
    pub(crate) fn read(&self, bytes: &[u8]) -> Option<String> {
        if self.is_guid() {
            return guid(bytes);
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let is_good = !text.trim().is_empty() && text.len() <= 255 && !text.contains(char::is_control);
        is_good.then(|| text.to_owned())
    }

    /// The value of an id.
    pub(crate) fn value(&self, id: &str) -> Option<Value> {
        if self.is_guid() {
            return Some(Value::Bytes(guid_bytes(id)?));
        }
        Some(Value::Text(id.to_owned()))
    }
}

/// The order of the bytes of a GUID in its text: the first three numbers have their lowest byte first (MS-DTYP section
/// 2.3.4.2).
const GUID_ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

fn guid(bytes: &[u8]) -> Option<String> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let mut text = String::with_capacity(36);
    for (count, at) in GUID_ORDER.into_iter().enumerate() {
        if matches!(count, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{:02x}", bytes.get(at)?).ok()?;
    }
    Some(text)
}

fn guid_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 || !digits.is_ascii() {
        return None;
    }
    let mut bytes = vec![0; 16];
    for (count, at) in GUID_ORDER.into_iter().enumerate() {
        let byte = digits.get(2 * count..2 * count + 2)?;
        *bytes.get_mut(at)? = u8::from_str_radix(byte, 16).ok()?;
    }
    Some(bytes)
}

/// Somebody's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is called at this moment.
    pub dn: String,
    /// By what it is known for good.
    pub id: String,
    /// What they are called.
    pub username: Option<String>,
    /// What others read.
    pub name: Option<String>,
    /// Their address.
    pub email: Option<String>,
}

/// The values of an entry, whatever the case of their attributes.
pub(crate) struct Values(HashMap<String, Vec<Vec<u8>>>);

impl Values {
    pub(crate) fn of(entry: SearchEntry) -> Self {
        let texts = entry.attrs.into_iter().map(|(name, values)| {
            let values = values.into_iter().map(String::into_bytes).collect();
            (name, values)
        });
        let all = texts.chain(entry.bin_attrs).map(|(name, values): (_, Vec<_>)| {
            // `;binary` and the like say how it was sent.
            let name = name.split(';').next().unwrap_or_default().to_ascii_lowercase();
            (name, values)
        });
        Self(all.collect())
    }

    pub(crate) fn all(&self, name: &str) -> &[Vec<u8>] {
        let found = self.0.get(&name.to_ascii_lowercase());
        found.map(Vec::as_slice).unwrap_or_default()
    }

    /// The first that is text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let texts = self.all(name).iter();
        texts
            .filter_map(|bytes| std::str::from_utf8(bytes).ok())
            .map(str::trim)
            .find(|text| !text.is_empty())
            .map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_written_as_people_write_it_and_back() {
        let id = IdOf::attribute("objectGuid");
        let bytes: Vec<u8> = (0..16).collect();
        let text = id.read(&bytes).unwrap();
        assert_eq!(text, "03020100-0504-0706-0809-0a0b0c0d0e0f");
        assert_eq!(id.value(&text), Some(Value::Bytes(bytes)));
        assert_eq!(id.read(&[0; 15]), None);
        for wrong in ["", "*", "03020100", "é3020100-0504-0706-0809-0a0b0c0d0e0"] {
            assert_eq!(id.value(wrong), None, "{wrong}");
        }
        let filter = crate::filter::equals("objectGUID", &Value::Bytes(vec![0x2a, 0x28, 0xff]));
        assert_eq!(filter, "(objectGUID=\\2a\\28\\ff)");
    }

    #[test]
    fn an_id_is_text_of_some_length() {
        let id = IdOf::attribute("entryUUID");
        assert_eq!(id.read(b"0f3c"), Some("0f3c".to_owned()));
        for wrong in [&b""[..], b"  ", b"a\nb", &[0xff], &[b'a'; 256]] {
            assert_eq!(id.read(wrong), None);
        }
    }
}
