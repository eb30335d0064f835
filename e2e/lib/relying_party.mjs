// An independent relying party, as strict as it can be set: openid-client, which also verifies the signature of
// ID tokens that came straight from the token endpoint.
import * as oidc from 'openid-client';

export const SCOPES = 'openid profile email groups';

export const RULES = {
  // Plain http on loopback, and no other leniency.
  execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
};

export class RelyingParty {
  constructor(config, redirectUri) {
    Object.assign(this, { config, redirectUri });
  }

  // Knows the provider's address and what was agreed with its operator; the rest it discovers.
  static async discover(door, { id, redirectUri, metadata, authentication = oidc.None() }) {
    const config = await oidc.discovery(new URL(door.url), id, metadata, authentication, RULES);
    return new RelyingParty(config, redirectUri);
  }

  // A request, with everything that its answer is checked against.
  async request(parameters = {}) {
    const verifier = oidc.randomPKCECodeVerifier();
    const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
    const url = oidc.buildAuthorizationUrl(this.config, {
      redirect_uri: this.redirectUri,
      scope: SCOPES,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
      ...parameters,
    });
    const maxAge = parameters.max_age === undefined ? {} : { maxAge: Number(parameters.max_age) };
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, ...maxAge };
    return { url: url.href, checks: { ...checks, idTokenExpected: true } };
  }

  // From the request to tokens, or to the error that the provider answered with.
  async signIn(person, parameters, options) {
    const { url, checks } = await this.request(parameters);
    const callback = new URL(await person.approve(url, options));
    return oidc.authorizationCodeGrant(this.config, callback, checks);
  }

  userInfo(tokens) {
    return oidc.fetchUserInfo(this.config, tokens.access_token, tokens.claims().sub);
  }

  refresh(tokens, parameters) {
    return oidc.refreshTokenGrant(this.config, tokens.refresh_token, parameters);
  }
}
