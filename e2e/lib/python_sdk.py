"""The official Python SDK, major 1 or 2, as a program that a test drives line by line.

It is given the URL of an MCP endpoint, and for major 2 the mode in which to connect. On `call` it calls a tool and
answers `result` with what came and what it keeps; on `expire` it lets an hour pass. In between the SDK may want a
browser: then it says `open URL`, and the next line it reads is the address that the browser was sent back to.
"""

import json
import sys
from contextlib import AsyncExitStack
from urllib.parse import parse_qs, urlsplit

import anyio
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import OAuthClientMetadata

try:
    from mcp import Client
    from mcp.client.auth import AuthorizationCodeResult
except ImportError:
    from mcp import ClientSession
    Client = None

REDIRECT = "http://localhost:3030/callback"


class Memory:
    """Where the SDK keeps things."""

    def __init__(self):
        self.tokens = None
        self.client = None
        self.registrations = 0

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client
        self.registrations += 1


def say(word, text=""):
    print(word, text, flush=True)


async def hear():
    line = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    return line.strip()


async def open_browser(url):
    say("open", url)


async def came_back():
    query = parse_qs(urlsplit(await hear()).query)
    code, state, iss = (query.get(name, [None])[0] for name in ("code", "state", "iss"))
    return AuthorizationCodeResult(code=code, state=state, iss=iss) if Client else (code, state)


async def connect(stack, url, mode, provider):
    http = await stack.enter_async_context(create_mcp_http_client(auth=provider))
    transport = streamable_http_client(url, http_client=http)
    if Client:
        return await stack.enter_async_context(Client(transport, mode=mode))
    read, write, _ = await stack.enter_async_context(transport)
    session = await stack.enter_async_context(ClientSession(read, write))
    await session.initialize()
    return session


async def main(url, mode="auto"):
    memory = Memory()
    metadata = OAuthClientMetadata(client_name="Python SDK", redirect_uris=[REDIRECT])
    provider = OAuthClientProvider(
        server_url=url,
        client_metadata=metadata,
        storage=memory,
        redirect_handler=open_browser,
        callback_handler=came_back,
    )
    async with AsyncExitStack() as stack:
        client = None
        while command := await hear():
            if command == "call":
                client = client or await connect(stack, url, mode, provider)
                result = await client.call_tool("echo_headers", {})
                kept = memory.tokens.model_dump(mode="json")
                found = {"result": result.model_dump(mode="json"), "tokens": kept}
                say("result", json.dumps({**found, "registrations": memory.registrations}))
            elif command == "expire":
                # What the SDK looks at before each request.
                provider.context.token_expiry_time = 1
                say("expired")


anyio.run(main, *sys.argv[1:])
