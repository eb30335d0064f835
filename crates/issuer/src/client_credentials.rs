//! The `client_credentials` grant (OAuth 2.1 section 4.2, OS-70 to OS-72, MA-163 to MA-166).

use audit::{Issue, Person};
use protocol::Params;
use store::Client;

use crate::clients::is_confidential;
use crate::issue::{Holder, IssueError, TokenResponse};
use crate::machine::unauthorized;
use crate::server::AuthorizationServer;

impl AuthorizationServer {
    /// Gives an authenticated client a token for the account that the configuration says it acts as.
    ///
    /// # Errors
    /// It acts as nobody, or not for this server.
    pub async fn client_credentials(
        &self,
        client: &Client,
        form: &Params,
        person: &Person,
    ) -> Result<TokenResponse, IssueError> {
        let settings = self.settings();
        // Who only says a name has proved nothing.
        let machine = settings.machines.clients.get(&client.id).cloned();
        drop(settings);
        let machine = machine.filter(|_| is_confidential(client));
        let machine = machine.ok_or_else(|| unauthorized("this client has no account to act as"))?;
        self.issue_to_machine(
            &machine,
            Holder::Client(client),
            form,
            Issue::ClientCredentials,
            person,
        )
        .await
    }
}
