"""Sessions with MCP servers, over streamable HTTP or stdio, on the transports of the official SDK.

The SDK (``mcp``) is an extra, and is imported with the first connection.
"""
