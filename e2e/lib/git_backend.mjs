// A real git server over HTTP: git's own `http-backend` behind as much of CGI (RFC 3875) as it needs. It holds nothing:
// what comes goes to git, and what git says goes back.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class GitBackend {
  // Answers whoever shows this value of Authorization.
  static async start(authorization) {
    const backend = new GitBackend();
    backend.folder = mkdtempSync(join(tmpdir(), 'vestibule-git-'));
    backend.seen = [];
    backend.server = createServer((request, response) => {
      backend.seen.push({ method: request.method, url: request.url, headers: request.headers });
      if (request.headers.authorization !== authorization) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="upstream"' }).end();
        return;
      }
      backend.answer(request, response);
    });
    await new Promise((resolve) => backend.server.listen(0, '127.0.0.1', resolve));
    backend.url = `http://127.0.0.1:${backend.server.address().port}`;
    return backend;
  }

  // An empty repository that can be pushed to.
  add(name) {
    const folder = join(this.folder, name);
    execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', folder]);
    execFileSync('git', ['-C', folder, 'config', 'http.receivepack', 'true']);
  }

  answer(request, response) {
    const { pathname, search } = new URL(request.url, this.url);
    const git = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env.PATH,
        GIT_PROJECT_ROOT: this.folder,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_PROTOCOL: request.headers['git-protocol'] ?? '',
        REQUEST_METHOD: request.method,
        PATH_INFO: decodeURIComponent(pathname),
        QUERY_STRING: search.slice(1),
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        CONTENT_LENGTH: request.headers['content-length'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        REMOTE_USER: 'door',
        REMOTE_ADDR: '127.0.0.1',
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    git.stdin.on('error', () => {});
    request.pipe(git.stdin);
    response.on('close', () => git.kill());
    let head = Buffer.alloc(0);
    const read = (chunk) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      git.stdout.off('data', read);
      const lines = head.subarray(0, end).toString().split('\r\n').map((line) => line.split(/:\s*/, 2));
      const status = lines.find(([name]) => name === 'Status')?.[1] ?? '200';
      response.writeHead(parseInt(status, 10), lines.filter(([name]) => name !== 'Status').flat());
      response.write(head.subarray(end + 4));
      git.stdout.pipe(response);
    };
    git.stdout.on('data', read);
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
