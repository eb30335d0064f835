// P-ts-v1: the TypeScript SDK, major 1. Checks every answer by its schemas, looks for the resource's document where
// the challenge says and nowhere else, and sends Basic credentials as they are.
import assert from 'node:assert/strict';
import {
  OAuthClientInformationFullSchema, OAuthMetadataSchema, OAuthProtectedResourceMetadataSchema, OAuthTokensSchema,
  OpenIdProviderDiscoveryMetadataSchema,
} from '@modelcontextprotocol/sdk/shared/auth.js';
import { Session, unauthorized } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { live, login } from '../lib/replay.mjs';
import { basic, challengeOf, register, search } from '../lib/wire.mjs';

export const name = 'P-ts-v1';
export const shows = 'CC-14 CC-21 CC-22 CC-29 CC-31 CC-59 CC-61 CC-63';

const REDIRECT = 'http://localhost:33418/callback';
const VERSION = { 'mcp-protocol-version': '2025-11-25' };
// A secret in which every encoding would show.
const SECRET = 'p%2Bq+r/s=:t&u?v~w!x(y)z*0123456789';

export const files = { 'typescript-secret': SECRET };
export const clients = `
  typescript-host:
    name: A host on the TypeScript SDK
    redirect_uris: ["${REDIRECT}"]
    secret_file: typescript-secret`;

export async function run({ door }) {
  const person = new Person();
  const challenge = challengeOf(await unauthorized(door.endpoint));
  const { resource, authorization_servers: [issuer] } =
    OAuthProtectedResourceMetadataSchema.parse(await search([challenge.resource_metadata], VERSION));
  // A path prefix of the server's URL, as its URL parser writes both.
  assert.ok(`${new URL(door.endpoint).pathname}/`.startsWith(new URL(resource).pathname));
  const server = OAuthMetadataSchema.parse(await search([`${issuer}/.well-known/oauth-authorization-server`], VERSION));
  OpenIdProviderDiscoveryMetadataSchema.parse(await search([`${issuer}/.well-known/openid-configuration`], VERSION));

  const request = { resource: new URL(resource).href, scope: challenge.scope };
  const connect = async (clientId, headers) => {
    const granted = await login(person, {
      server, clientId, redirectUri: REDIRECT, request, redeem: { resource: request.resource }, headers,
    });
    OAuthTokensSchema.parse(granted);
    const session = await Session.begin(door.endpoint, granted.access_token);
    const refresh = { client_id: clientId, resource: request.resource };
    await live(door, granted, { server, caller: session, refresh, headers });
  };

  // It registers with little more than a redirect URI.
  const client = await register(server.registration_endpoint, {
    client_name: 'A host', client_uri: 'https://host.example', redirect_uris: [REDIRECT],
    token_endpoint_auth_method: 'none',
  });
  OAuthClientInformationFullSchema.parse(client);
  assert.deepEqual(client.grant_types, ['authorization_code', 'refresh_token'], 'CC-29');
  await connect(client.client_id);

  // With a secret that it was given.
  await connect('typescript-host', basic.raw('typescript-host', SECRET));
}
