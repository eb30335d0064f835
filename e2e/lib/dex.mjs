// Dex, a real OpenID issuer: started, stopped, signed in at. `cargo xtask real` builds it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './door.mjs';
import { Program } from './process.mjs';
import { until } from './until.mjs';

const SECRET = 'the-secret-of-the-agent-at-dex';
const CALLBACK = 'http://127.0.0.1:5555/callback';

// One person, who is there without being asked, for the program `agent`.
const MOCK = `
connectors:
- { type: mockCallback, id: mock, name: Mock }
staticClients:
- { id: agent, name: An agent, secret: ${SECRET}, redirectURIs: ["${CALLBACK}"] }
- { id: mcp-fixture, name: The server, secret: nobody-signs-in-with-it, trustedPeers: [agent] }
`;

export class Dex {
  // Where it will be. It is not there before `start`.
  static async at({ binary }) {
    const dex = new Dex();
    dex.binary = binary;
    dex.folder = mkdtempSync(join(tmpdir(), 'vestibule-dex-'));
    dex.port = await freePort();
    dex.url = `http://127.0.0.1:${dex.port}/dex`;
    dex.configFile = join(dex.folder, 'dex.yaml');
    dex.configure(MOCK);
    return dex;
  }

  // Who is there, and for which programs.
  configure(people) {
    // Keys are due at once, so each start brings a new one. They are kept in a file, and the public half of an old one
    // is shown for as long as its tokens live.
    writeFileSync(this.configFile, `
issuer: ${this.url}
storage: { type: sqlite3, config: { file: "${join(this.folder, 'dex.db')}" } }
web: { http: "127.0.0.1:${this.port}" }
expiry: { signingKeys: 1ms, idTokens: 24h }
oauth2: { skipApprovalScreen: true }
${people}
`);
  }

  async start() {
    this.program = new Program(this.binary, ['serve', this.configFile]);
    await this.program.says(/listening on.*server=http /);
    // It says so before it does so.
    await until('Dex shows its keys', () => this.keys().catch(() => undefined));
  }

  async stop() {
    await this.program?.stop();
  }

  async close() {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  // The ids of the keys that it shows.
  async keys() {
    const response = await fetch(`${this.url}/keys`);
    return (await response.json()).keys.map(({ kid }) => kid);
  }

  // The ID token of the person of Dex's mock, for the program `agent` and whom it names by `audience:server:client_id`.
  async token(scope) {
    const parameters = new URLSearchParams({
      client_id: 'agent', redirect_uri: CALLBACK, response_type: 'code', state: 'state', scope: `openid ${scope}`,
    });
    let url = `${this.url}/auth?${parameters}`;
    while (!url.startsWith(CALLBACK)) {
      const response = await fetch(url, { redirect: 'manual' });
      const said = await response.text();
      assert.ok(response.headers.has('location'), `${response.status} ${said}`);
      url = new URL(response.headers.get('location'), url).href;
    }
    const response = await fetch(`${this.url}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`agent:${SECRET}`)}` },
      body: new URLSearchParams({
        grant_type: 'authorization_code', code: new URL(url).searchParams.get('code'), redirect_uri: CALLBACK,
      }),
    });
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    return body.id_token;
  }
}
