// What an SDK asks of the program that uses it: where things are kept, and what to do with a URL to open.
export class MemoryProvider {
  constructor(metadata = {}) {
    this.redirectUrl = 'http://localhost:33418/callback';
    this.metadata = metadata;
    this.opened = [];
    this.registrations = 0;
  }

  get clientMetadata() {
    return {
      client_name: 'SDK test client',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      ...this.metadata,
    };
  }

  state() {
    return 'state-of-the-sdk';
  }

  clientInformation() {
    return this.client;
  }

  saveClientInformation(client) {
    this.registrations += 1;
    this.client = client;
  }

  tokens() {
    return this.kept;
  }

  saveTokens(tokens) {
    this.kept = tokens;
  }

  redirectToAuthorization(url) {
    this.opened.push(url);
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  codeVerifier() {
    return this.verifier;
  }

  invalidateCredentials(scope) {
    if (scope === 'all' || scope === 'client') this.client = undefined;
    if (scope === 'all' || scope === 'tokens') this.kept = undefined;
    if (scope === 'all' || scope === 'verifier') this.verifier = undefined;
  }
}
