"""The bundled demo server, `mcphost demo-server`: one honest example of everything a server can offer a host.

It stands outside the host's layers and never imports them; nothing of the host imports it but the command.
"""
