from __future__ import annotations

import pytest

from mcphost.config.network import Network, proxy_for


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        ("https://example.com/mcp", {}, None),
        ("https://example.com/mcp", {"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://example.com/mcp", {"https_proxy": "proxy:3128", "http_proxy": "other"}, "http://proxy:3128"),
        ("http://example.com/mcp", {"HTTPS_PROXY": "proxy"}, None),
        ("http://example.com/mcp", {"all_proxy": "socks5://proxy"}, "socks5://proxy"),
        ("https://api.example.com", {"https_proxy": "p", "no_proxy": "other.org, .example.com"}, None),
        ("https://example.com", {"https_proxy": "p", "NO_PROXY": "example.com"}, None),
        ("https://example.com:8443", {"https_proxy": "p", "no_proxy": "example.com:8443"}, None),
        ("https://badexample.com", {"https_proxy": "p", "no_proxy": "example.com"}, "http://p"),
        ("https://example.com", {"https_proxy": "p", "no_proxy": "*"}, None),
        ("http://127.0.0.1:8000/mcp", {"http_proxy": "p"}, None),
        ("http://[::1]:8000/mcp", {"http_proxy": "p"}, None),
        ("http://localhost/mcp", {"all_proxy": "p"}, None),
    ],
)
def test_the_environment_names_the_proxy(url: str, environ: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(url, environ) == proxy


def test_what_was_configured_comes_before_the_environment() -> None:
    environ = {"https_proxy": "http://environ:1", "SSL_CERT_FILE": "/environ.pem", "SSL_CERT_DIR": "/certs"}
    assert Network.of("https://example.com", environ) == Network("http://environ:1", "/environ.pem", "/certs")
    own = Network.of("https://example.com", environ, proxy="http://own:2", ca_file="/own.pem")
    assert own == Network("http://own:2", "/own.pem", "/certs")
