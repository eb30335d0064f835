//! The shared static credential of one upstream: one or several headers, the same for every caller.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use net::Tasks;
use thiserror::Error;
use tracing::{info, warn};

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

    /// Reads its files again whenever they change. Values that cannot be used are reported, and the ones
    /// before stay.
    pub fn reload_on_change(&self, tasks: &Tasks, environment: Arc<dyn Environment + Send + Sync>) {
        let files: Vec<PathBuf> = self
            .templates
            .iter()
            .flat_map(|(_, template)| template.files().cloned())
            .collect();
        if files.is_empty() {
            return;
        }
        let this = self.clone();
        net::watch::watch(tasks, "credential files", files, move || {
            match fill(&this.templates, &*environment) {
                Ok(headers) => {
                    this.current.store(Arc::new(headers));
                    info!("upstream credential read again");
                }
                Err(error) => warn!(%error, "upstream credential not read; the one before stays"),
            }
        });
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
