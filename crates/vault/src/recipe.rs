//! How a person's credential is shown to one upstream: one or several headers with `${connection}` in them (CC-108).

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};

use crate::connector::Connector;
use crate::credential::Credential;
use crate::shared::SharedError;
use crate::template::{Environment, Prepared, Template, TemplateError};

/// The headers that carry a person's credential to one upstream.
#[derive(Clone)]
pub struct Recipe {
    /// Where the credential comes from.
    pub connector: Arc<Connector>,
    templates: Arc<Vec<(HeaderName, Template)>>,
    current: Arc<ArcSwap<Vec<(HeaderName, Prepared)>>>,
}

impl std::fmt::Debug for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Recipe {
    /// Fills in what is the same for everybody.
    pub fn new(
        connector: Arc<Connector>,
        templates: Vec<(HeaderName, Template)>,
        environment: &dyn Environment,
    ) -> Result<Self, SharedError> {
        let current = Arc::new(ArcSwap::from_pointee(prepare(&templates, environment)?));
        Ok(Self {
            connector,
            templates: Arc::new(templates),
            current,
        })
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
        self.current
            .store(Arc::new(prepare(&self.templates, environment)?));
        Ok(())
    }

    /// The headers for one person's request.
    pub fn headers(&self, credential: &Credential) -> Result<Vec<(HeaderName, HeaderValue)>, TemplateError> {
        let current = self.current.load();
        let filled = current
            .iter()
            .map(|(name, prepared)| Ok((name.clone(), prepared.fill(Some(credential))?)));
        filled.collect()
    }
}

fn prepare(
    templates: &[(HeaderName, Template)],
    environment: &dyn Environment,
) -> Result<Vec<(HeaderName, Prepared)>, SharedError> {
    let prepared = templates.iter().map(|(name, template)| {
        let prepared = template.prepare(environment).map_err(|source| SharedError {
            header: name.clone(),
            source,
        })?;
        Ok((name.clone(), prepared))
    });
    prepared.collect()
}
