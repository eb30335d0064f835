"""The official Python SDK, major 1 or 2, with a program on its pipes: lists the tools, calls one, prints its text.

It is given the program, its words, and for major 2 the mode in which to connect as the last word.
"""

import os
import sys

import anyio
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client

try:
    from mcp import Client
except ImportError:
    from mcp import ClientSession

    Client = None


async def use(client):
    tools = await client.list_tools()
    assert any(tool.name == "echo_headers" for tool in tools.tools)
    result = await client.call_tool("echo_headers", {})
    print(result.content[0].text, flush=True)


async def main(command, *words):
    mode = words[-1]
    words = words[:-1] if Client else words
    server = StdioServerParameters(command=command, args=list(words), env=dict(os.environ))
    if Client:
        async with Client(stdio_client(server), mode=mode) as client:
            await use(client)
        return
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        await use(session)


anyio.run(main, *sys.argv[1:])
