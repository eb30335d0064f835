//! Between the first factor and the session.
//!
//! ```text
//!  password ──▶ First ──▶ nothing more is there ─────────────────────────────▶ Proof ──▶ session
//!                 └─────▶ Waiting, five minutes ──▶ code or recovery code ───▶ Proof
//!                                    └── wrong: counted, and it waits on ──┘
//! ```
//!
//! A [`First`] cannot begin a session. What waits is a row that only the browser that began it can go on with; success
//! takes it away, and so does whatever changes the account's factors.

use std::time::Duration;

use audit::What;
use model::{AccountId, AccountStatus, Assurance, Timestamp, Username};
use serde::{Deserialize, Serialize};
use store::{Account, Factors as Has, Proved, StoreError};

use crate::factors::{At, FactorError, Factors};
use crate::guessing;
use crate::sign_in::{Proof, ProvedThere};
use crate::step_up::Raised;

const PURPOSE: &str = "second factor";

/// Somebody who has proved one factor, of whom is not known whether that is enough.
#[derive(Debug)]
pub struct First(pub(crate) Proof);

/// What comes after the first factor.
#[derive(Debug)]
pub enum Step {
    /// The session.
    In(Proof),
    /// A second factor.
    Second(Waiting),
}

/// Somebody whose second factor is waited for.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What the page holds.
    pub ceremony: String,
    /// Who it is.
    pub username: Username,
    /// What they have.
    pub has: Has,
}

/// What was typed on the page for the second factor.
#[derive(Clone, Copy, Debug)]
pub enum Typed<'a> {
    /// The code of an authenticator app.
    Totp(&'a str),
    /// A recovery code.
    Recovery(&'a str),
}

/// What is kept of the first factor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) method: String,
    pub(crate) provider: Option<String>,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Option<String>,
    #[serde(default)]
    pub(crate) session: Option<String>,
    /// Milliseconds.
    pub(crate) at: Option<i64>,
    /// Seconds.
    pub(crate) lifetime: Option<u64>,
    /// The session that is the first factor, if it is one.
    #[serde(default)]
    pub(crate) raises: Option<Raised>,
}

impl Kept {
    fn of(proof: &Proof) -> Self {
        let there = proof.there.as_ref();
        Self {
            method: proof.method.clone(),
            provider: proof.proved.provider.clone(),
            acr: proof.proved.acr.clone(),
            amr: proof.proved.amr.clone(),
            session: proof.proved.session.clone(),
            at: there.and_then(|there| there.at).map(Timestamp::as_millis),
            lifetime: there.map(|there| there.lifetime.as_secs()),
            raises: None,
        }
    }

    /// Whether the first factor was a password, ours or a directory's, which was counted.
    fn was_counted(&self) -> bool {
        self.method == "password" || self.method.starts_with("directory:")
    }

    /// The proof of both factors; `code` is what the second was.
    pub(crate) fn with(self, account: AccountId, username: Username, code: &str) -> Proof {
        let at = self.at.map(Timestamp::from_millis);
        let there = self.lifetime.map(|seconds| ProvedThere {
            at,
            lifetime: Duration::from_secs(seconds),
        });
        // An app that is added to a session of a passkey makes it no weaker.
        let class = Assurance::of_acr(self.acr.as_deref()).max(Assurance::TwoFactors);
        // RFC 8176 section 2: a recovery code is a one-time password too.
        let amr = add_methods(self.amr.as_deref(), &["otp", "mfa"]);
        Proof {
            account,
            username,
            method: format!("{}+{code}", self.method),
            proved: Proved {
                provider: self.provider,
                acr: class.acr().map(str::to_owned),
                amr: Some(amr),
                session: self.session,
            },
            there,
            raises: self.raises,
        }
    }
}

/// Methods with others added that are not among them.
fn add_methods(before: Option<&str>, more: &[&str]) -> String {
    let mut all: Vec<&str> = before.unwrap_or_default().split_ascii_whitespace().collect();
    for method in more {
        if !all.contains(method) {
            all.push(method);
        }
    }
    all.join(" ")
}

impl Factors {
    /// What comes after the first factor: who has a second one has to prove it too.
    pub async fn after(&self, first: First, at: &At<'_>) -> Result<Step, FactorError> {
        let First(proof) = first;
        let has = self.store.factors_of(proof.account).await?;
        if !has.any() {
            // Nothing is left to be guessed.
            let counters = guessing::counters(&*self.store, at, &proof.username, Some(proof.account)).await?;
            guessing::forgive(&*self.store, &counters).await?;
            return Ok(Step::In(proof));
        }
        let ceremony = self.wait_for(proof.account, &Kept::of(&proof), at).await?;
        // Whoever stops here had the password all the same.
        let what = What::SecondFactorAsked {
            account: proof.account,
        };
        self.recorder
            .record(what, at.person(Some(proof.username.to_string())));
        Ok(Step::Second(Waiting {
            ceremony,
            username: proof.username,
            has,
        }))
    }

    /// Begins to wait for the second factor of somebody.
    pub(crate) async fn wait_for(
        &self,
        account: AccountId,
        kept: &Kept,
        at: &At<'_>,
    ) -> Result<String, FactorError> {
        let state = serde_json::to_string(kept).map_err(unreadable)?;
        self.begin(PURPOSE, Some(account), state, at).await
    }

    /// Who is waited for, for showing the page again.
    pub async fn waiting(&self, ceremony: &str, at: &At<'_>) -> Result<Waiting, FactorError> {
        let (account, _) = self.first_of(ceremony, at).await?;
        Ok(Waiting {
            ceremony: ceremony.to_owned(),
            has: self.store.factors_of(account.id).await?,
            username: account.username,
        })
    }

    /// Proves the second factor with what was typed. A guess counts on the counters that guesses at the password count on,
    /// and a right password alone forgives nothing: who has somebody's password has no more attempts for that.
    pub async fn with_code(
        &self,
        ceremony: &str,
        typed: Typed<'_>,
        at: &At<'_>,
    ) -> Result<Proof, FactorError> {
        let (account, kept) = self.first_of(ceremony, at).await?;
        let id = account.id;
        let person = || at.person(Some(account.username.to_string()));
        let counters = guessing::counters(&*self.store, at, &account.username, Some(id)).await?;
        if let Err(wait) = guessing::count(&*self.store, &self.world, &counters).await? {
            self.refused(Some(id), "slowed down", person());
            return Err(FactorError::Slowed(wait));
        }
        let (right, name) = match typed {
            Typed::Totp(code) => (self.use_totp(id, code).await?, "totp"),
            Typed::Recovery(code) => (self.use_recovery_code(id, code).await?, "recovery_code"),
        };
        if !right {
            self.refused(Some(id), &format!("wrong {name}"), person());
            return Err(FactorError::Wrong);
        }
        self.take(PURPOSE, ceremony, at.form).await?;
        guessing::forgive(&*self.store, &counters).await?;
        if kept.was_counted() {
            // The right password was counted too, and not forgiven then.
            guessing::forgive(&*self.store, &counters).await?;
        }
        if name == "recovery_code" {
            self.changed(id, "recovery_codes", "used", person());
        }
        Ok(kept.with(id, account.username, name))
    }

    /// Whose second factor a passkey is to be; anybody's, if none is waited for.
    pub(crate) async fn awaited(&self, first: &str, at: &At<'_>) -> Result<Option<AccountId>, FactorError> {
        if first.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.first_of(first, at).await?.0.id))
    }

    /// Nothing is waited for any more.
    pub(crate) async fn came(&self, first: &str, at: &At<'_>) -> Result<(), FactorError> {
        if first.is_empty() {
            return Ok(());
        }
        self.take(PURPOSE, first, at.form).await.map(drop)
    }

    /// Whose first factor is kept, and what is kept of it. It stays.
    async fn first_of(&self, ceremony: &str, at: &At<'_>) -> Result<(Account, Kept), FactorError> {
        let kept = self.look(PURPOSE, ceremony, at.form).await?;
        let account = self.active(kept.account.ok_or(FactorError::Gone)?).await?;
        Ok((account, serde_json::from_str(&kept.state).map_err(unreadable)?))
    }

    /// The account, if it can sign in.
    pub(crate) async fn active(&self, account: AccountId) -> Result<Account, FactorError> {
        let known = self.store.account(account).await?;
        known
            .filter(|account| account.status == AccountStatus::Active)
            .ok_or(FactorError::Inactive)
    }
}

pub(crate) fn unreadable(error: serde_json::Error) -> FactorError {
    FactorError::Store(StoreError::corrupt("ceremonies.state", error))
}
