// P-double-load: a browser that loads every page twice and sends every form twice: prefetching, extensions, a second
// tab, an impatient finger.
import assert from 'node:assert/strict';
import { Session } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { live } from '../lib/replay.mjs';
import { metadataOf, pkce } from '../lib/token.mjs';
import { authorizeUrl, codeOf, register, tokens } from '../lib/wire.mjs';

export const name = 'P-double-load';
export const shows = 'CC-49 CC-51 CC-56';

const REDIRECT = 'http://localhost:3003/callback';

export async function run({ door }) {
  const server = await metadataOf(door);
  const body = { client_name: 'Twice', redirect_uris: [REDIRECT] };
  const { client_id: clientId } = await register(server.registration_endpoint, body);
  const { verifier, parameters } = pkce();
  const url = authorizeUrl(server.authorization_endpoint, {
    response_type: 'code', client_id: clientId, redirect_uri: REDIRECT, state: 's', ...parameters,
    resource: door.endpoint,
  });
  const person = new Person();
  const load = async (address) => {
    const pages = [];
    for (const time of [1, 2]) {
      const response = await person.request(address);
      assert.equal(response.status, 200, `time ${time}`);
      pages.push(await response.text());
    }
    return pages;
  };

  // The first of two sign-in pages is still good, and so is the second.
  const [signIn, signInToo] = await load(url);
  for (const page of [signIn, signInToo]) {
    const response = await person.submit(door.url, page);
    assert.equal(response.status, 303);
  }
  // Two tabs ask; the older is answered, twice, and then the other.
  const [consent, consentToo] = await load(url);
  const answers = [];
  for (const page of [consent, consent, consentToo]) {
    const response = await person.submit(door.url, page, 'approve');
    assert.equal(response.status, 303, 'CC-51');
    answers.push(response.headers.get('location'));
  }
  assert.equal(new Set(answers).size, 1, 'all of them lead to the same place');
  // A second answer does not change the first.
  const changed = await person.submit(door.url, consent, 'deny');
  assert.equal(changed.headers.get('location'), answers[0]);

  const granted = await tokens(server.token_endpoint, {
    grant_type: 'authorization_code', client_id: clientId, redirect_uri: REDIRECT, code_verifier: verifier,
    code: codeOf(answers[0], { state: 's', issuer: server.issuer }),
  });
  const session = await Session.begin(door.endpoint, granted.access_token);
  await live(door, granted, { server, caller: session, refresh: { client_id: clientId } });
}
