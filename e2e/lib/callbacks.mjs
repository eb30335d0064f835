import { createServer } from 'node:http';

// Where a client on this machine waits for the browser: its `url`, and the `last` address that a browser came back with.
export async function waitForBrowsers() {
  const callbacks = createServer((request, response) => {
    if (request.url.startsWith('/callback')) callbacks.last = request.url;
    response.setHeader('content-type', 'text/html').end('<h1>Back at the client</h1>');
  });
  await new Promise((resolve) => callbacks.listen(0, '127.0.0.1', resolve));
  callbacks.url = `http://127.0.0.1:${callbacks.address().port}/callback`;
  return callbacks;
}
