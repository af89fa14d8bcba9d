"""What in a server's entry deserves a warning: variables that load code, programs that change by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import dropwhile, pairwise, takewhile

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

# Runners of packages, each with the words that make it run one.
_RUNNERS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(("npx", "bunx", "pnpx", "uvx"), ((),)),
    **dict.fromkeys(("pnpm", "yarn"), (("dlx",),)),
    "npm": (("exec",), ("x",)),
    "bun": (("x",),),
    "uv": (("tool", "run"),),
    "pipx": (("run",),),
}
_PYTHONS = ("uvx", "uv", "pipx")
_SHELLS = ("sh", "bash", "dash", "zsh")
# Options of runners that take the next word as their value; of these, those that name what the program is taken from,
# and those that name what is installed beside it.
_VALUED = frozenset(
    {
        *("-p", "--package", "--from", "--spec", "-w", "--with", "--with-requirements", "--with-editable"),
        *("--python", "--index", "--index-url", "--default-index", "--extra-index-url", "--registry", "-c", "--call"),
        *("--prefix", "--loglevel", "--directory", "--project", "--config-file", "--cache-dir", "--cache"),
    }
)
_NAMING = frozenset({"-p", "--package", "--from", "--spec"})
_BESIDE = frozenset({"-w", "--with"})
_NAME = re.compile(r"(?:@[^@/\s]+/)?[\w.\[\],-]+(?:$|[@=<>!~])")  # of a package, not of a place
_NPM_PINNED = re.compile(r"(?:@[^@/\s]+/)?[^@/\s]+@v?\d+\.\d+\.\d+[\w.+-]*")
_PYPI_PINNED = re.compile(r"[\w.-]+(?:\[[\w.,-]*\])?(?:@|===?)v?\d[\w.!+]*")
_PINNED_SOURCE = re.compile(r".*(?:@|#)[0-9a-f]{40}(?:#.*)?|(?:\.{0,2}/|/|[A-Za-z]:\\).*", re.DOTALL)


def loaders(variables: Iterable[str], argv: Sequence[str] = ()) -> tuple[str, ...]:
    """Those of `variables`, and of what `argv` has `env` set, that decide which code a program loads."""
    given = argv[1:] if argv and _program(argv[0]) == "env" else ()
    set_by_env = [word.partition("=")[0] for word in takewhile(_precedes_program, given) if "=" in word]
    variables = (*variables, *set_by_env)
    return tuple(name for name in variables if name.upper() in _LOADERS or name.upper().startswith(_PREFIXES))


def unpinned(argv: Sequence[str]) -> str | None:
    """A line of warning where a package runner fetches whatever version is the newest; None: it does not."""
    argv = _started(argv)
    runner = _program(argv[0]) if argv else ""
    package = next((one for one in _packages(runner, argv[1:]) if not _is_pinned(runner, one)), None)
    if package is None:
        return None
    example = _versioned(runner, package)
    return f"{runner} runs whatever version of {one_line(package, 80)} is the newest; pin it: {one_line(example, 100)}"


def _program(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2].removesuffix(".cmd").removesuffix(".exe")


def _started(argv: Sequence[str]) -> Sequence[str]:
    """The words of the program that `env`, `cmd /c` or `sh -c` starts, with it left out."""
    program = _program(argv[0]) if argv else ""
    if program in _SHELLS:
        line = next((after for word, after in pairwise(argv) if re.fullmatch("-[a-z]*c", word)), "")
        return _words(line)
    if program not in ("env", "cmd"):
        return argv
    return list(dropwhile(_precedes_program, argv[1:]))


def _precedes_program(word: str) -> bool:
    return word.startswith(("-", "/c", "/C")) or "=" in word


def _words(line: str) -> list[str]:
    import shlex  # only who starts servers through a shell pays for it

    try:
        words = shlex.split(line)
    except ValueError:
        return []
    return words[1:] if words[:1] == ["exec"] else words


def _versioned(runner: str, package: str) -> str:
    """How a version of `package` is named: the place of one that it may name now."""
    if runner in _PYTHONS:
        return f"{re.split('[@=<>!~]', package)[0]}==VERSION" if _NAME.match(package) else f"{package}@COMMIT"
    return f"{package[:1]}{package[1:].partition('@')[0]}@VERSION" if _NAME.match(package) else f"{package}#COMMIT"


def _packages(runner: str, words: Sequence[str]) -> list[str]:
    """The packages that a runner's words name, the program's own first."""
    rest = next((found for run in _RUNNERS.get(runner, ()) if (found := _behind(run, words)) is not None), [])
    own: list[str] = []
    beside: list[str] = []
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            return [*(own or [word]), *beside]
        if option not in _VALUED:
            continue
        value = value if equals else rest.pop(0) if rest else ""
        if option in _BESIDE:
            beside.append(value)
        elif option in _NAMING and not (option == "-p" and runner in _PYTHONS):  # theirs is --python
            own.append(value)
    return [*own, *beside]


def _behind(run: Sequence[str], words: Sequence[str]) -> list[str] | None:
    """The words behind those of `run`, which options may precede; None: they are not there."""
    for at in range(len(words) - len(run) + 1):
        if tuple(words[at : at + len(run)]) == tuple(run):
            return list(words[at + len(run) :])
        if not words[at].startswith("-") and not (at and words[at - 1] in _VALUED):
            return None
    return None


def _is_pinned(runner: str, package: str) -> bool:
    pattern = _PYPI_PINNED if runner in _PYTHONS else _NPM_PINNED
    return bool(pattern.fullmatch(package) or _PINNED_SOURCE.fullmatch(package))
