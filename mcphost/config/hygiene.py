"""What in a server's entry deserves a warning: variables that load code, programs that change by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import dropwhile

from mcphost.text import one_line

# Variables that make a harmless program run other code.
_LOADERS = frozenset(
    {
        *("BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PROMPT_COMMAND", "IFS", "PATH", "GCONV_PATH", "GIT_SSH_COMMAND"),
        *("NODE_OPTIONS", "NODE_PATH", "NODE_REPL_EXTERNAL_MODULE", "ELECTRON_RUN_AS_NODE", "BUN_OPTIONS"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONUSERBASE", "PYTHONPLATLIBDIR"),
        *("PYTHONEXECUTABLE", "PYTHONBREAKPOINT", "PYTHONWARNINGS", "PYTHONPYCACHEPREFIX"),
        *("GIT_PROXY_COMMAND", "GIT_TEMPLATE_DIR", "RUSTC_WRAPPER", "GOFLAGS", "UV_EXTRA_INDEX_URL"),
        *("GIT_SSH", "GIT_ASKPASS", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_EDITOR", "SSH_ASKPASS"),
        *("EDITOR", "VISUAL", "PAGER", "BROWSER", "SHELL", "ZDOTDIR", "OPENSSL_CONF", "OPENSSL_MODULES", "LUA_INIT"),
        *(
            "PERL5LIB",
            "PERLLIB",
            "PERL5OPT",
            "PERL5DB",
            "RUBYLIB",
            "RUBYOPT",
            "GEM_PATH",
            "GEM_HOME",
            "LUA_PATH",
            "LUA_CPATH",
        ),
        *("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH", "DOTNET_STARTUP_HOOKS"),
        *("COMPLUS_PROFILER", "CORECLR_PROFILER_PATH", "PHP_INI_SCAN_DIR", "PHPRC", "R_PROFILE_USER"),
        *("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_PYTHON", "UV_PROJECT"),
        *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_CONFIG_FILE", "PIP_CONFIG_FILE"),
    }
)
_PREFIXES = ("LD_", "DYLD_", "BASH_FUNC_", "NPM_CONFIG_", "GIT_CONFIG", "GLIBC_TUNABLES")

_RUNNERS = {"npx": 0, "bunx": 0, "pnpx": 0, "uvx": 0, "pnpm": 1, "npm": 1, "yarn": 1, "uv": 2, "pipx": 1}
_RUN_WORDS = frozenset({"dlx", "exec", "x", "tool", "run"})
# Options of runners that take the next word as their value.
_VALUED = frozenset(
    {"-p", "--package", "--from", "-w", "--with", "--python", "--index", "--index-url", "--registry", "-c", "--call"}
)
_NAMING = frozenset({"-p", "--package", "--from"})
_NAME = re.compile(r"(?:@[^@/\s]+/)?[\w.\[\],-]+(?:$|[@=<>!~])")  # of a package, not of a place
_NPM_PINNED = re.compile(r"(?:@[^@/\s]+/)?[^@/\s]+@v?\d+\.\d+\.\d+[\w.+-]*")
_PYPI_PINNED = re.compile(r"[\w.-]+(?:\[[\w.,-]*\])?(?:@|===?)v?\d[\w.!+]*")
_PINNED_SOURCE = re.compile(r".*(?:@|#)[0-9a-f]{40}(?:#.*)?|(?:\.{0,2}/|/|[A-Za-z]:\\).*", re.DOTALL)


def loaders(variables: Iterable[str]) -> tuple[str, ...]:
    """Those of `variables` that decide which code a program loads."""
    return tuple(name for name in variables if name.upper() in _LOADERS or name.upper().startswith(_PREFIXES))


def unpinned(argv: Sequence[str]) -> str | None:
    """A line of warning where a package runner fetches whatever version is the newest; None: it does not."""
    argv = _started(argv)
    runner = _program(argv[0]) if argv else ""
    package = _package(runner, argv[1:]) if runner in _RUNNERS else None
    if package is None or _is_pinned(runner, package):
        return None
    example = _versioned(runner, package)
    return f"{runner} runs whatever version of {one_line(package, 80)} is the newest; pin it: {one_line(example, 100)}"


def _program(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2].removesuffix(".cmd").removesuffix(".exe")


def _started(argv: Sequence[str]) -> Sequence[str]:
    """The words of the program that `env` or `cmd /c` starts, with it left out."""
    if not argv or _program(argv[0]) not in ("env", "cmd"):
        return argv
    return list(dropwhile(lambda word: word.startswith(("-", "/c", "/C")) or "=" in word, argv[1:]))


def _versioned(runner: str, package: str) -> str:
    """How a version of `package` is named: the place of one that it may name now."""
    if runner in ("uvx", "uv", "pipx"):
        return f"{re.split('[@=<>!~]', package)[0]}==VERSION" if _NAME.match(package) else f"{package}@COMMIT"
    return f"{package[:1]}{package[1:].partition('@')[0]}@VERSION" if _NAME.match(package) else f"{package}#COMMIT"


def _package(runner: str, words: Sequence[str]) -> str | None:
    """The package that a runner's words name."""
    words = list(words)
    leading = 0
    while leading < _RUNNERS[runner]:
        if not words or words[0] not in _RUN_WORDS:
            return None
        words.pop(0)
        leading += 1
    while words:
        word = words.pop(0)
        option, equals, value = word.partition("=")
        if option in _NAMING:
            return value if equals else next(iter(words), None)
        if word in _VALUED and words:
            words.pop(0)
        elif not word.startswith("-"):
            return word
    return None


def _is_pinned(runner: str, package: str) -> bool:
    pattern = _PYPI_PINNED if runner in ("uvx", "uv", "pipx") else _NPM_PINNED
    return bool(pattern.fullmatch(package) or _PINNED_SOURCE.fullmatch(package))
