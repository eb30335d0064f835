// The official TypeScript SDK, old and new, unmodified: from the URL alone to a tool call, refresh, restart of
// the door, revocation, new sign-in (client-compatibility section 8).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as v1 from '@modelcontextprotocol/sdk/client/index.js';
import * as v1http from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { UnauthorizedError as V1Unauthorized } from '@modelcontextprotocol/sdk/client/auth.js';
import * as v2 from '@modelcontextprotocol/client';
import { Door } from '../lib/door.mjs';
import { MemoryProvider } from '../lib/provider.mjs';
import { Person } from '../lib/person.mjs';

const SDKS = {
  'SDK 1': {
    Client: v1.Client,
    Transport: v1http.StreamableHTTPClientTransport,
    Unauthorized: V1Unauthorized,
  },
  'SDK 2': {
    Client: v2.Client,
    Transport: v2.StreamableHTTPClientTransport,
    Unauthorized: v2.UnauthorizedError,
  },
};

let door;
before(async () => {
  door = await Door.open();
});
after(() => door.close());

for (const [name, sdk] of Object.entries(SDKS)) {
  test(`${name}: from the URL alone to a tool call, and on`, async () => {
    const provider = new MemoryProvider({ client_name: name });
    const person = new Person();

    const connect = async () => {
      const client = new sdk.Client({ name: 'e2e', version: '1' });
      const transport = new sdk.Transport(new URL(door.endpoint), { authProvider: provider });
      await client.connect(transport);
      return { client, transport };
    };
    const signIn = async () => {
      const transport = new sdk.Transport(new URL(door.endpoint), { authProvider: provider });
      const client = new sdk.Client({ name: 'e2e', version: '1' });
      await assert.rejects(client.connect(transport), sdk.Unauthorized);
      const callback = new URL(await person.approve(provider.opened.at(-1)));
      assert.equal(callback.searchParams.get('state'), 'state-of-the-sdk');
      assert.equal(callback.searchParams.get('iss'), door.url);
      await transport.finishAuth(
        name === 'SDK 1' ? callback.searchParams.get('code') : callback.searchParams,
      );
      await client.close();
    };
    const call = async ({ client }) => {
      const result = await client.callTool({ name: 'echo_headers', arguments: {} });
      assert.ok(!result.isError, JSON.stringify(result));
      return JSON.stringify(result);
    };

    await signIn();
    let connection = await connect();
    const echoed = await call(connection);
    assert.match(echoed, /authorization[^\]]*expected/, 'the upstream got its own credential');
    assert.ok(!echoed.includes(provider.kept.access_token), 'and never the caller\'s token');
    assert.match(echoed, /x-mcp-subject/i);

    // A token that counts no longer: the SDK refreshes by itself.
    const before = provider.kept.refresh_token;
    provider.kept = { ...provider.kept, access_token: `${provider.kept.access_token}x` };
    await call(connection);
    assert.notEqual(provider.kept.refresh_token, before, 'refreshed, and the refresh token was rotated');

    // The door restarts: sessions, tokens and keys are what they were.
    await door.restart();
    await call(connection);

    // An operator takes the grant back: the next call fails and asks for a new sign-in.
    const [grant] = await door.json('grant', 'list', '--user', 'ana');
    await door.cli('grant', 'revoke', grant.id);
    await assert.rejects(call(connection), sdk.Unauthorized);
    const callback = new URL(await person.approve(provider.opened.at(-1)));
    await connection.transport.finishAuth(
      name === 'SDK 1' ? callback.searchParams.get('code') : callback.searchParams,
    );
    await connection.client.close().catch(() => {});
    connection = await connect();
    await call(connection);
    await connection.client.close();
    assert.equal(provider.registrations, 1, 'one registration serves all of it');
  });

  test(`${name}: a person who is not allowed gets no token`, async () => {
    const provider = new MemoryProvider({ client_name: name });
    const transport = new sdk.Transport(new URL(door.endpoint), { authProvider: provider });
    const client = new sdk.Client({ name: 'e2e', version: '1' });
    await assert.rejects(client.connect(transport), sdk.Unauthorized);
    const eve = new Person('eve');
    await assert.rejects(eve.approve(provider.opened.at(-1)), /platform@example.com/);
  });
}
