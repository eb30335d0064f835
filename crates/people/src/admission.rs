//! Who somebody from a provider is here: found by a stored link, linked, or given an account, as the operator says.
//!
//! An address or a name never finds an account by itself: whoever can choose theirs at the provider would take the
//! account over. `link_by_verified_email` is the operator's word that a provider's verified addresses can be believed,
//! and even then an account is found only if it is the only one with the address (OS-46).

use audit::{Person, What};
use model::{AccountId, AccountStatus, Assurance, SessionId, Timestamp};
use relying::{Came, Profile};
use store::{AccountView, ByAddress, ForeignName, OtherWay, Proved, Regrouped, StoreError};

use crate::company::{Company, CompanyError, Refusal};
use crate::identities::Newcomer;
use crate::sign_in::{Proof, ProvedThere};
use crate::ways::{Provider, Source};

/// A class of ours is given here and by nobody else: what a provider calls so counts for what the operator says.
fn class(source: Source<'_>, profile: &Profile) -> Option<String> {
    let known = source.rules.words.of(profile);
    let theirs = || {
        profile
            .acr
            .clone()
            .filter(|acr| Assurance::of_acr(Some(acr)) == Assurance::OneFactor)
    };
    known.acr().map(str::to_owned).or_else(theirs)
}

impl Company {
    /// Lets somebody in who proved at a provider who they are, and keeps what it can be asked again with.
    pub async fn admit(
        &self,
        provider: &Provider,
        came: &Came,
        person: &Person,
    ) -> Result<Proof, CompanyError> {
        let (source, asked) = (provider.source(), self.world.now());
        let proof = self.admit_as_of(source, &came.profile, asked, person).await?;
        self.keep(provider, came, proof.account).await?;
        Ok(proof)
    }

    async fn keep(&self, provider: &Provider, came: &Came, account: AccountId) -> Result<(), StoreError> {
        let Some(kept) = &came.kept else {
            return Ok(());
        };
        let name = name(provider.source(), &came.profile);
        self.grants.keep(name, account, kept).await
    }

    /// Lets somebody in who proved at a provider, or to a directory, who they are: by what was said to whoever asked at that
    /// moment.
    pub(crate) async fn admit_as_of(
        &self,
        source: Source<'_>,
        profile: &Profile,
        asked: Timestamp,
        person: &Person,
    ) -> Result<Proof, CompanyError> {
        let name = name(source, profile);
        let person = &called(person, profile);
        let refuse = |account, why: Refusal| self.refused(source.name, account, why.into(), person);
        let known = self.store.identity(&name).await?;
        if !source.rules.is_member(profile) {
            // What was taken away there is gone here too, and with the right to come in goes everything else from there.
            if let Some(account) = known {
                self.withdraw(source, account, asked, false, person).await?;
            }
            return Err(refuse(known, Refusal::NotAMember));
        }
        let id = match known {
            Some(account) => account,
            None => match self.newcomer(source, &name, profile, person).await? {
                Ok(account) => account,
                Err(why) => return Err(refuse(None, why)),
            },
        };
        let account = match self.store.account(id).await? {
            Some(account) if account.status == AccountStatus::Active => account,
            Some(_) => return Err(refuse(Some(id), Refusal::Disabled)),
            None => return Err(refuse(None, Refusal::NoAccount)),
        };
        self.regroup(source, id, &profile.groups, asked, person).await?;
        Ok(Proof {
            account: id,
            username: account.username,
            method: format!("{}:{}", source.kind, source.name),
            proved: Proved {
                provider: Some(source.name.to_owned()),
                acr: class(source, profile),
                amr: profile.amr.clone(),
                session: profile.sid.clone(),
            },
            there: Some(ProvedThere {
                at: profile.auth_time,
                lifetime: source.rules.lifetime,
            }),
            raises: None,
        })
    }

    /// The account of somebody who comes for the first time.
    async fn newcomer(
        &self,
        source: Source<'_>,
        name: &ForeignName,
        profile: &Profile,
        person: &Person,
    ) -> Result<Result<AccountId, Refusal>, StoreError> {
        let rules = source.rules;
        if let Some(address) = profile.email.as_deref()
            && rules.link_by_verified_email
            && profile.email_verified
            && rules.is_of_a_domain(profile)
        {
            let now = self.world.now();
            match self.store.link_identity_by_address(name, address, now).await? {
                ByAddress::Linked(account) => {
                    self.linked(source, account, person);
                    return Ok(Ok(account));
                }
                // Another account beside the one that has the address would go around whatever keeps that one closed;
                // unless the same person came at the same moment and is linked by now.
                ByAddress::Refused => {
                    return Ok(self.store.identity(name).await?.ok_or(Refusal::Address));
                }
                ByAddress::Nobody => {}
            }
        }
        if !rules.create_accounts {
            return Ok(Err(Refusal::NoAccount));
        }
        if !rules.is_of_a_domain(profile) {
            return Ok(Err(Refusal::Domain));
        }
        let newcomer = Newcomer {
            issuer: source.name,
            username: profile.username.as_deref(),
            name: profile.name.as_deref(),
            email: profile.email.as_deref(),
            // Nobody's word is believed whom the operator does not trust with addresses: not here, and not when somebody
            // comes by another provider with the same one.
            email_verified: profile.email_verified && rules.link_by_verified_email,
        };
        let made = self
            .identities
            .account_or_new(name, newcomer, person.clone())
            .await?;
        Ok(made.ok_or(Refusal::NoAccount))
    }

    /// Links who somebody is at a provider to the account that they are signed in with.
    pub async fn link(
        &self,
        provider: &Provider,
        came: &Came,
        account: &AccountView,
        person: &Person,
    ) -> Result<(), CompanyError> {
        let asked = self.world.now();
        self.link_as_of(provider.source(), &came.profile, account.id, asked, person)
            .await?;
        self.keep(provider, came, account.id).await?;
        Ok(())
    }

    /// Links who somebody is at a provider, or in a directory, to their account: by what was said to whoever asked at that moment.
    pub(crate) async fn link_as_of(
        &self,
        source: Source<'_>,
        profile: &Profile,
        id: AccountId,
        asked: Timestamp,
        person: &Person,
    ) -> Result<(), CompanyError> {
        let name = name(source, profile);
        let refuse = |why: Refusal| self.refused(source.name, Some(id), why.into(), person);
        if !source.rules.is_member(profile) {
            return Err(refuse(Refusal::NotAMember));
        }
        // An employee's private account at the same provider outlives the job.
        if !source.rules.is_of_a_domain(profile) {
            return Err(refuse(Refusal::Domain));
        }
        if self.store.link_own_identity(&name, id, self.world.now()).await? {
            self.linked(source, id, person);
        } else if self.store.identity(&name).await? != Some(id) {
            return Err(refuse(Refusal::Taken));
        }
        self.regroup(source, id, &profile.groups, asked, person).await?;
        Ok(())
    }

    /// Takes who somebody is at a provider, or in a directory, away from their account, and the sessions that it began except this one. `false` if it is their last way in, or not there.
    pub async fn unlink(
        &self,
        source: Source<'_>,
        account: AccountId,
        session: SessionId,
        person: &Person,
    ) -> Result<bool, StoreError> {
        let Some(elsewhere) = self.other_way(source.issuer, account).await? else {
            return Ok(false);
        };
        let other = match &elsewhere {
            Elsewhere::Password => OtherWay::Password,
            Elsewhere::Issuer(issuer) => OtherWay::Identity(issuer),
        };
        let (now, issuer) = (self.world.now(), source.issuer);
        let gone = self
            .store
            .unlink_own_identity(issuer, account, other, source.name, session, now)
            .await?;
        if gone {
            let issuer = issuer.to_owned();
            let what = What::IdentityUnlinked { account, issuer };
            self.recorder.record(what, person.clone());
        }
        Ok(gone)
    }

    /// What lets somebody in besides who they are at this issuer.
    pub async fn other_way(&self, issuer: &str, account: AccountId) -> Result<Option<Elsewhere>, StoreError> {
        let ways = self.ways();
        let known = self.store.account(account).await?;
        if ways.passwords && known.is_some_and(|account| account.password_hash.is_some()) {
            return Ok(Some(Elsewhere::Password));
        }
        let identities = self.store.identities_of(account).await?;
        let other = identities
            .into_iter()
            .map(|identity| identity.name.issuer)
            .find(|other| other != issuer && ways.lets_in_from(other));
        Ok(other.map(Elsewhere::Issuer))
    }

    /// Puts the groups that somebody has there now in place of those that they had before.
    pub(crate) async fn regroup(
        &self,
        source: Source<'_>,
        account: AccountId,
        theirs: &[String],
        asked: Timestamp,
        person: &Person,
    ) -> Result<(), StoreError> {
        let groups = source.rules.groups_of(theirs);
        let now = self.world.now();
        let regrouped = self
            .store
            .replace_provided_groups(account, source.issuer, &groups, asked, now)
            .await?;
        self.regrouped(account, regrouped, person);
        Ok(())
    }

    /// Takes away what somebody had from there who may not come in any more; with the sessions that began there, if so.
    pub(crate) async fn withdraw(
        &self,
        source: Source<'_>,
        account: AccountId,
        asked: Timestamp,
        ends_sessions: bool,
        person: &Person,
    ) -> Result<(), StoreError> {
        let now = self.world.now();
        let sessions_of = ends_sessions.then_some(source.name);
        let regrouped = self
            .store
            .withdraw_provided_groups(account, source.issuer, sessions_of, asked, now)
            .await?;
        self.regrouped(account, regrouped, person);
        Ok(())
    }

    fn regrouped(&self, account: AccountId, regrouped: Regrouped, person: &Person) {
        let joined = regrouped.joined.into_iter().map(|group| (group, true));
        let left = regrouped.left.into_iter().map(|group| (group, false));
        for (group, member) in joined.chain(left) {
            let what = What::GroupChanged {
                account,
                group,
                member,
            };
            self.recorder.record(what, person.clone());
        }
    }

    fn linked(&self, source: Source<'_>, account: AccountId, person: &Person) {
        let what = What::IdentityLinked {
            account,
            issuer: source.issuer.to_owned(),
            made: false,
        };
        self.recorder.record(what, person.clone());
    }
}

/// What lets somebody in besides a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// Their password.
    Password,
    /// Who they are at this issuer.
    Issuer(String),
}

fn name(source: Source<'_>, profile: &Profile) -> ForeignName {
    ForeignName {
        issuer: source.issuer.to_owned(),
        subject: profile.subject.clone(),
    }
}

/// Who the record says it was: what they are called there, until it is known who they are here.
fn called(person: &Person, profile: &Profile) -> Person {
    let called = profile.username.as_ref().unwrap_or(&profile.subject);
    Person {
        username: Some(called.chars().take(80).collect()),
        ..person.clone()
    }
}
