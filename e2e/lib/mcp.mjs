// MCP over the wire, in both eras, for clients that are replayed.
import assert from 'node:assert/strict';

const CLIENT = { name: 'replayed', version: '1' };

// One POST; gives the answer, and the message in it.
export async function post(endpoint, token, message, headers = {}) {
  const response = await fetch(endpoint, {
    method: 'POST',
    redirect: 'error',
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...(token && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify(message),
  });
  const text = await response.text();
  return { response, status: response.status, message: text && read(response, text) };
}

// The last message of a stream is the one that was waited for.
function read(response, text) {
  if (!response.headers.get('content-type').startsWith('text/event-stream')) return JSON.parse(text);
  return JSON.parse(text.match(/^data: ?(\{.*)$/gm).at(-1).replace(/^data: ?/, ''));
}

export const initialize = (version) => ({
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: version, capabilities: {}, clientInfo: CLIENT },
});

// What `echo_headers` of the fixture saw. It must be the upstream's own credential, who is calling, and nothing
// of the token that the caller showed (CC-107).
function judge({ status, message }, token) {
  assert.equal(status, 200, JSON.stringify(message));
  assert.ok(message.result && !message.result.isError, JSON.stringify(message));
  const [{ text }] = message.result.content;
  const seen = JSON.parse(text);
  assert.deepEqual(seen.authorization, ['expected']);
  assert.ok(!text.includes(token));
  assert.equal(seen['x-mcp-subject'].length, 1);
  return seen;
}

// A client of 2025-11-25 or before. It keeps its session whatever becomes of its tokens.
export class Session {
  static async begin(endpoint, token, { version = '2025-11-25', headers = {} } = {}) {
    const begun = await post(endpoint, token, initialize(version), headers);
    assert.equal(begun.status, 200, JSON.stringify(begun.message));
    const session = new Session();
    session.endpoint = endpoint;
    session.version = begun.message.result.protocolVersion;
    session.headers = { ...headers, 'mcp-session-id': begun.response.headers.get('mcp-session-id') };
    // Of 2025-03-26 and before there is no such header.
    if (session.version >= '2025-06-18') session.headers['mcp-protocol-version'] = session.version;
    const note = { jsonrpc: '2.0', method: 'notifications/initialized' };
    assert.equal((await session.send(token, note)).status, 202);
    return session;
  }

  send(token, message) {
    return post(this.endpoint, token, message, this.headers);
  }

  // Calls the tool that says what reached the upstream.
  async call(token) {
    const params = { name: 'echo_headers', arguments: {} };
    return judge(await this.send(token, { jsonrpc: '2.0', id: 1, method: 'tools/call', params }), token);
  }
}

// The same call by a client of 2026-07-28, which has no session.
export async function call(endpoint, token, headers = {}) {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': CLIENT,
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const params = { name: 'echo_headers', arguments: {}, _meta };
  const answer = await post(endpoint, token, { jsonrpc: '2.0', id: 1, method: 'tools/call', params }, {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'echo_headers',
    ...headers,
  });
  return judge(answer, token);
}

// A request without a token, or with one that does not count: 401 in any case, and why (CC-1, CC-4).
export async function unauthorized(endpoint, token, headers = {}) {
  const { response } = await post(endpoint, token, initialize('2025-11-25'), headers);
  assert.equal(response.status, 401);
  return response;
}
