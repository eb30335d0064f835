// A real Kubernetes API server over TLS, with etcd behind it and kubectl before it. `cargo xtask real` builds it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './door.mjs';
import { Program, run } from './process.mjs';
import { until } from './until.mjs';

const ADMIN = 'the-token-of-the-one-who-set-the-cluster-up';

export class Kubernetes {
  // With the programs in this folder, and this authentication configuration.
  static async start({ programs, authentication }) {
    const cluster = new Kubernetes();
    cluster.programs = programs;
    cluster.folder = mkdtempSync(join(tmpdir(), 'vestibule-kubernetes-'));
    const [client, peer, port] = [await freePort(), await freePort(), await freePort()];
    cluster.url = `https://127.0.0.1:${port}`;
    const etcd = `http://127.0.0.1:${client}`;
    cluster.etcd = new Program('etcd', [
      '--data-dir', join(cluster.folder, 'etcd'), '--listen-client-urls', etcd, '--advertise-client-urls', etcd,
      '--listen-peer-urls', `http://127.0.0.1:${peer}`, '--initial-advertise-peer-urls', `http://127.0.0.1:${peer}`,
      '--initial-cluster', `default=http://127.0.0.1:${peer}`,
    ]);
    const file = (name, text) => {
      writeFileSync(join(cluster.folder, name), text);
      return join(cluster.folder, name);
    };
    const key = join(cluster.folder, 'service-accounts.pem');
    await run('openssl', ['genpkey', '-algorithm', 'RSA', '-out', key]);
    cluster.server = new Program(join(programs, 'kube-apiserver'), [
      '--etcd-servers', etcd, '--bind-address', '127.0.0.1', '--secure-port', String(port),
      '--cert-dir', join(cluster.folder, 'certificates'), '--service-cluster-ip-range', '10.0.0.0/24',
      '--service-account-issuer', 'https://kubernetes.default.svc',
      '--service-account-key-file', key, '--service-account-signing-key-file', key,
      '--authorization-mode', 'RBAC', '--token-auth-file', file('tokens.csv', `${ADMIN},admin,1,system:masters\n`),
      '--authentication-config', file('authentication.yaml', authentication),
    ]);
    cluster.config = file('kubeconfig', `
apiVersion: v1
kind: Config
clusters:
- { name: e2e, cluster: { server: "${cluster.url}", insecure-skip-tls-verify: true } }
contexts:
- { name: e2e, context: { cluster: e2e } }
current-context: e2e
`);
    try {
      await until('the API server answers', () => cluster.kubectl(['--token', ADMIN, 'get', '--raw', '/readyz'])
        .catch(() => undefined), 120);
    } catch (error) {
      error.message += `\n${cluster.server.output.slice(-4000)}`;
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  // Runs kubectl, as somebody with this environment.
  kubectl(words, { env = {}, input } = {}) {
    return run(join(this.programs, 'kubectl'), words, { input, env: this.env(env) });
  }

  env(more) {
    return { ...process.env, KUBECONFIG: this.config, PATH: `${this.programs}:${process.env.PATH}`, ...more };
  }

  // As whoever set it up.
  admin(words, input) {
    return this.kubectl(['--token', ADMIN, ...words], { input });
  }

  async close() {
    await this.server?.stop();
    await this.etcd?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
