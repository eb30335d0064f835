// What tests of trusted issuers do alike, whoever the issuer is.
import assert from 'node:assert/strict';
import { initialize, post, unauthorized } from './mcp.mjs';
import { until } from './until.mjs';

// A token of somebody whom nobody linked is refused, and that is recorded; then its owner is linked to `account`.
export async function link(door, token, { issuer, account }) {
  const response = await unauthorized(door.endpoint, token);
  assert.match(response.headers.get('www-authenticate'), /nobody here is linked/);
  const [refused] = await until('the refusal is recorded', async () => {
    const events = await door.json('audit', 'list', '--event', 'identity_refused');
    return events.length && events;
  });
  await door.cli('identity', 'link', account, '--issuer', issuer, '--subject', refused.user);
}

// While the issuer is away, nobody says of a token with an unknown key that it is wrong.
export async function unavailable(door, token) {
  const answer = await post(door.endpoint, token, initialize('2025-11-25'));
  assert.equal(answer.status, 503);
  assert.ok(answer.response.headers.get('retry-after'));
}
