// Gitea, a real one, and the MCP server before it: started with people, their private repositories and an OAuth
// application. `cargo xtask real` builds both.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort } from './door.mjs';
import { Program, run } from './process.mjs';
import { until } from './until.mjs';

const GITEA_PASSWORD = 'the-password-at-gitea-alone';

export class Gitea {
  // With these people, each with a private repository `diary`. Access tokens of its OAuth live so many seconds; a refresh
  // token counts once.
  static async start({ binary, files, people, lives = 3600 }) {
    const gitea = new Gitea();
    gitea.folder = mkdtempSync(join(tmpdir(), 'vestibule-gitea-'));
    gitea.port = await freePort();
    gitea.url = `http://127.0.0.1:${gitea.port}`;
    gitea.command = (...args) => [binary, [...args, '--config', join(gitea.folder, 'app.ini')]];
    gitea.environment = { ...process.env, GITEA_WORK_DIR: gitea.folder, HOME: gitea.folder };
    const { uid, username } = userInfo();
    // Its pages come from its source; what would have to be built for them, styles and scripts, they do without.
    writeFileSync(join(gitea.folder, 'app.ini'), `
APP_NAME = Gitea
RUN_MODE = prod
RUN_USER = ${username}
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = ${uid === 0}
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = ${gitea.port}
ROOT_URL = ${gitea.url}/
STATIC_ROOT_PATH = ${files}
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = ${join(gitea.folder, 'gitea.db')}
[security]
INSTALL_LOCK = true
PASSWORD_HASH_ALGO = pbkdf2_v2
[oauth2]
ACCESS_TOKEN_EXPIRATION_TIME = ${lives}
INVALIDATE_REFRESH_TOKENS = true
[indexer]
ISSUE_INDEXER_TYPE = db
[cron]
ENABLED = false
[log]
MODE = console
LEVEL = Warn
logger.router.MODE = console
[log.console]
LEVEL = Info
`);
    try {
      await gitea.run('migrate');
      for (const name of people) await gitea.add(name);
      gitea.program = new Program(...gitea.command('web'), { env: gitea.environment });
      await until('Gitea answers', () => {
        assert.equal(gitea.program.code, undefined, gitea.program.output);
        return fetch(`${gitea.url}/api/v1/version`).then(({ ok }) => ok, () => false);
      }, 60);
      for (const name of people) await gitea.write(name);
    } catch (error) {
      // What was started would keep the test from ending.
      await gitea.close();
      throw error;
    }
    return gitea;
  }

  run(...args) {
    return run(...this.command(...args), { env: this.environment });
  }

  add(name) {
    return this.run('admin', 'user', 'create', '--username', name, '--password', GITEA_PASSWORD,
      '--email', `${name}@example.com`, '--must-change-password=false');
  }

  // A repository of theirs alone, with what only they may read.
  async write(name) {
    await this.ask(name, 'POST', '/user/repos', { name: 'diary', private: true, default_branch: 'main' });
    const content = Buffer.from(secret(name)).toString('base64');
    await this.ask(name, 'POST', `/repos/${name}/diary/contents/today.txt`, { content, message: 'Today' });
  }

  // Its API, as somebody with their password.
  async ask(name, method, path, body) {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Basic ${btoa(`${name}:${GITEA_PASSWORD}`)}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text && JSON.parse(text);
  }

  // A personal access token of somebody's.
  async token(name, label, scopes) {
    return (await this.ask(name, 'POST', `/users/${name}/tokens`, { name: label, scopes })).sha1;
  }

  // A team in an organization of `owner`, with somebody in it.
  async team(owner, organization, name, member) {
    const team = { name, permission: 'read', units: ['repo.code'] };
    const { id } = await this.ask(owner, 'POST', `/orgs/${organization}/teams`, team);
    await this.ask(owner, 'PUT', `/teams/${id}/members/${member}`);
  }

  // Puts somebody into a team that is there.
  async join(owner, organization, name, member) {
    const teams = await this.ask(owner, 'GET', `/orgs/${organization}/teams`);
    const { id } = teams.find((team) => team.name === name);
    await this.ask(owner, 'PUT', `/teams/${id}/members/${member}`);
  }

  // Takes somebody out of a team.
  async leave(owner, organization, name, member) {
    const teams = await this.ask(owner, 'GET', `/orgs/${organization}/teams`);
    const { id } = teams.find((team) => team.name === name);
    await this.ask(owner, 'DELETE', `/teams/${id}/members/${member}`);
  }

  async revoke(name, label) {
    await this.ask(name, 'DELETE', `/users/${name}/tokens/${label}`);
  }

  // How often it was asked for tokens.
  exchanges() {
    return this.program.output.match(/POST \/login\/oauth\/access_token .* 200 OK/g)?.length ?? 0;
  }

  async close() {
    await this.program?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const secret = (name) => `only ${name} may read this`;

// Signs in on its page.
export async function signInThere(page, gitea, name) {
  await page.waitForURL((url) => url.href.startsWith(`${gitea.url}/user/login`));
  await page.fill('#user_name', name);
  await page.fill('#password', GITEA_PASSWORD);
  await page.click('form[action="/user/login"] button:not([type=button])');
}

// The MCP server, one for everybody, with no credential of its own.
export async function startMcp({ binary, gitea }) {
  const program = new Program(binary, ['--host', gitea.url]);
  const [, url] = await program.says(/listening on (http:\S+)/);
  return { program, url };
}
