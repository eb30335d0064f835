// The official suite cannot send a token. This stands between it and the gateway on loopback, adds the
// token, and changes nothing else: heads keep their names, order and case, bodies are not buffered, and
// whoever hangs up is heard on the other side (CF-7).
import http from 'node:http';

export class Shim {
  // `port` is chosen by the caller, because the door has to know its name before it starts.
  static async open({ port, upstream, token }) {
    const shim = new Shim();
    shim.statuses = new Map();
    shim.server = http.createServer((request, answer) => shim.forward(request, answer, new URL(upstream), token));
    // Streams may be silent for longer than Node would wait.
    Object.assign(shim.server, { requestTimeout: 0, timeout: 0 });
    await new Promise((resolve, reject) => {
      shim.server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    return shim;
  }

  forward(request, answer, upstream, token) {
    const onward = http.request({
      host: upstream.hostname,
      port: upstream.port,
      method: request.method,
      path: request.url,
      // The raw list, with the Host that the suite sent: the gateway has to judge that one (CF-9).
      headers: [...request.rawHeaders, 'Authorization', `Bearer ${token}`],
      // A connection of its own for each request, so that no answer meets a connection that was just closed.
      agent: false,
    });
    onward.on('response', (response) => {
      this.statuses.set(response.statusCode, (this.statuses.get(response.statusCode) ?? 0) + 1);
      answer.writeHead(response.statusCode, response.statusMessage, response.rawHeaders);
      answer.flushHeaders();
      response.on('error', () => answer.destroy());
      response.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
