# mypy: ignore-errors
"""A SQLite explorer: the schema as a resource, queries as a tool; the database is named by DATABASE."""

import os
import sqlite3

from mcp.server.fastmcp import FastMCP
from transports import serve

mcp = FastMCP("SQLite Explorer")
DATABASE = os.environ.get("DATABASE", ":memory:")


@mcp.resource("schema://main")
def get_schema() -> str:
    """Provide the database schema as a resource"""
    connection = sqlite3.connect(DATABASE)
    rows = connection.execute("SELECT sql FROM sqlite_master WHERE type='table'").fetchall()
    return "\n".join(row[0] for row in rows if row[0])


@mcp.tool()
def query_data(sql: str) -> str:
    """Execute SQL queries safely"""
    connection = sqlite3.connect(DATABASE)
    try:
        return "\n".join(str(row) for row in connection.execute(sql).fetchall())
    except Exception as error:
        return f"Error: {error}"


@mcp.tool()
def tables() -> list[str]:
    """The names of all tables"""
    connection = sqlite3.connect(DATABASE)
    return [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name")]


@mcp.tool()
def row_count(table: str) -> int:
    """How many rows a table has"""
    if not table.isidentifier():
        raise ValueError(f"not a table name: {table}")
    return sqlite3.connect(DATABASE).execute(f"SELECT count(*) FROM {table}").fetchone()[0]


if __name__ == "__main__":
    serve(mcp)
