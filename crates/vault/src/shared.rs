//! The shared static credential of one upstream: one or several headers, the same for every caller.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use thiserror::Error;

use crate::template::{Environment, Template, TemplateError};

/// A header that could not be filled in.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[error("header {header}: {source}")]
pub struct SharedError {
    /// Which header.
    pub header: HeaderName,
    /// Why.
    pub source: TemplateError,
}

type Headers = Vec<(HeaderName, HeaderValue)>;

/// The headers that are added to every request to one upstream.
#[derive(Clone)]
pub struct SharedCredential {
    templates: Arc<Vec<(HeaderName, Template)>>,
    current: Arc<ArcSwap<Headers>>,
}

impl std::fmt::Debug for SharedCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.templates.iter().map(|(name, _)| name))
            .finish()
    }
}

impl SharedCredential {
    /// Fills in all templates.
    pub fn new(
        templates: Vec<(HeaderName, Template)>,
        environment: &dyn Environment,
    ) -> Result<Self, SharedError> {
        let current = Arc::new(ArcSwap::from_pointee(fill(&templates, environment)?));
        Ok(Self {
            templates: Arc::new(templates),
            current,
        })
    }

    /// The headers as they are now.
    pub fn headers(&self) -> arc_swap::Guard<Arc<Headers>> {
        self.current.load()
    }

    /// The names of the headers; a client's own copies of them are dropped (CC-107).
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.templates.iter().map(|(name, _)| name)
    }

    /// The files it reads.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.templates.iter().flat_map(|(_, template)| template.files())
    }

    /// Reads its files again. If a value cannot be used, the ones before stay.
    pub fn reload(&self, environment: &dyn Environment) -> Result<(), SharedError> {
        self.current.store(Arc::new(fill(&self.templates, environment)?));
        Ok(())
    }
}

fn fill(templates: &[(HeaderName, Template)], environment: &dyn Environment) -> Result<Headers, SharedError> {
    templates
        .iter()
        .map(|(name, template)| match template.fill(environment) {
            Ok(value) => Ok((name.clone(), value)),
            Err(source) => Err(SharedError {
                header: name.clone(),
                source,
            }),
        })
        .collect()
}
