// P-refresh-storm: twenty refreshes at once, an answer that got lost, a laptop that slept and says again what it said
// before. Nobody is logged out by that, and a chain never forks.
import assert from 'node:assert/strict';
import { Session } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { ended, live, login, refreshOf } from '../lib/replay.mjs';
import { metadataOf } from '../lib/token.mjs';
import { refusal, register, tokens } from '../lib/wire.mjs';

export const name = 'P-refresh-storm';
export const shows = 'CC-64 CC-66 CC-68 DEC-1 DEC-2';

const REDIRECT = 'http://localhost:3003/callback';

async function connect(door, person) {
  const server = await metadataOf(door);
  const body = { client_name: 'Storm', redirect_uris: [REDIRECT] };
  const { client_id: clientId } = await register(server.registration_endpoint, body);
  const request = { resource: door.endpoint };
  const granted = await login(person, { server, clientId, redirectUri: REDIRECT, request });
  const form = { client_id: clientId };
  const refresh = (from) => tokens(server.token_endpoint, refreshOf(from, form));
  return { server, granted, form, refresh };
}

const pair = ({ access_token: access, refresh_token: token, scope }) => ({ access, token, scope });

export async function run({ door, strict }) {
  const person = new Person();
  const { server, granted, form, refresh } = await connect(door, person);

  const storm = await Promise.all(Array.from({ length: 20 }, () => refresh(granted)));
  for (const one of storm) assert.deepEqual(pair(one), pair(storm[0]), 'CC-68');
  const [second] = storm;

  // The answer was lost: the same pair again, also from a door that has restarted in between.
  assert.deepEqual(pair(await refresh(granted)), pair(second));
  await door.restart();
  assert.deepEqual(pair(await refresh(granted)), pair(second));

  // Somebody went on, twice. Whoever still has the first gets to the head of the chain, not to a branch.
  const third = await refresh(second);
  const head = await refresh(third);
  const late = await refresh(granted);
  assert.deepEqual(pair(late), pair(head));
  assert.deepEqual(pair(await refresh(second)), pair(head));
  const session = await Session.begin(door.endpoint, late.access_token);
  await live(door, late, { server, caller: session, refresh: form });

  // It slept too long, which a door without overlap stands for: then this grant ends, and no other (CC-66).
  const [slept, awake] = [await connect(strict, person), await connect(strict, person)];
  const lost = await slept.refresh(slept.granted);
  assert.deepEqual(pair(await slept.refresh(slept.granted)), pair(lost), 'a lost answer is given again here too');
  const newest = await slept.refresh(lost);
  const replay = await refusal(slept.server.token_endpoint, refreshOf(slept.granted, slept.form));
  assert.deepEqual([replay.status, replay.error], [400, 'invalid_grant']);
  await ended(strict, newest, { server: slept.server, refresh: slept.form });
  await awake.refresh(awake.granted);
}

export const alone = {
  'CC-64 (d) more than twenty repeats are too many': async ({ door }) => {
    const person = new Person();
    const [{ server, granted, form, refresh }, other] = [await connect(door, person), await connect(door, person)];
    const head = await refresh(await refresh(granted));
    for (let time = 0; time < 20; time += 1) assert.deepEqual(pair(await refresh(granted)), pair(head));
    const { status, error } = await refusal(server.token_endpoint, refreshOf(granted, form));
    assert.deepEqual([status, error], [400, 'invalid_grant']);
    await ended(door, head, { server, refresh: form });
    await other.refresh(other.granted);
  },
};
