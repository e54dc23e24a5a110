"""Sources from git repositories, at a given revision."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlunsplit

from ...errors import EngineError, FetchError
from ...wire.redaction import (
    scrub,
    secrets_in,
    source_without_secrets,
    split_credentials,
    text_without_credentials,
    url_parts,
)
from ..docker.engine import Credentials
from .processes import server_environment

PREFIX = "git+"

_SAFE_REVISION = re.compile(r"[\w.][\w./-]*", re.ASCII)
_SCHEMES = ("http", "https", "ssh", "file")


@dataclass(frozen=True)
class GitSource:
    """A repository's folder at a revision: a commit, branch or tag, or HEAD for the default one."""

    url: str
    revision: str = "HEAD"
    subdirectory: str = ""

    @classmethod
    def parse(cls, text: str) -> GitSource:
        """Read ``git+URL[@REVISION][#subdirectory=FOLDER]``, pip's form, or raise ValueError."""
        parts = url_parts(text.removeprefix(PREFIX))
        path, at, revision = parts.path.rpartition("@")
        if not at:
            path, revision = parts.path, "HEAD"
        folder = parse_qs(parts.fragment).get("subdirectory", [""])[0]
        is_safe = parts.scheme in _SCHEMES and bool(_SAFE_REVISION.fullmatch(revision))
        is_safe = is_safe and (parts.scheme == "file" or _has_host(parts))
        if not is_safe or Path(folder).is_absolute() or ".." in Path(folder).parts:
            raise ValueError(
                f"not a git source: {source_without_secrets(text)!r}; write "
                "git+https://HOST/PATH[@REVISION][#subdirectory=FOLDER]"
            )
        return cls(urlunsplit((parts.scheme, parts.netloc, path, "", "")), revision, folder)


def _has_host(parts: SplitResult) -> bool:
    try:
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # its message has the text in place of a port, which may be a password
        return False


def clone(
    source: GitSource, folder: Path, *, credentials: Credentials | None, timeout_s: float
) -> str:
    """Fetch one revision of a repository into ``folder``, and return the commit's hash.

    Credentials for a private repository, in the address or beside it, are never passed in a
    process's arguments. Each git command
    may take ``timeout_s`` seconds.

    Raises:
        FetchError: the repository or the revision can't be fetched.
        EngineError: git is not installed.
    """
    shown = source_without_secrets(source.url)
    url, authorization = source.url, None
    if url.startswith("http"):  # in ssh's addresses stands a user, and no password is taken
        url, authorization = split_credentials(url)
    variables = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
    if credentials is not None:
        login = base64.b64encode(f"{credentials.username}:{credentials.password}".encode())
        authorization = f"Basic {login.decode()}"
    if authorization is not None:
        variables |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{url}.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: {authorization}",
        }
    secrets = secrets_in({"Authorization": authorization or ""}, source.url)
    if "GIT_SSL_CAINFO" in os.environ:
        variables["GIT_SSL_CAINFO"] = os.environ["GIT_SSL_CAINFO"]
    env = server_environment(variables)

    def git(*arguments: str) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - a list, no shell
                ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
                env=env,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=timeout_s,
                check=False,
            )
        except FileNotFoundError as error:
            raise EngineError("git is not installed, but it fetches the sources") from error
        except subprocess.TimeoutExpired:
            # Not the cause: it has the command, and so the address with its password.
            raise FetchError(f"{shown} was not fetched within {timeout_s:g} s") from None
        if done.returncode:
            log = scrub(text_without_credentials(done.stderr.strip()), secrets)
            raise FetchError(f"{shown} at {source.revision} can't be fetched", log=log)
        return done.stdout.strip()

    folder.mkdir(parents=True, exist_ok=True)
    git("init", "--quiet")
    git("fetch", "--quiet", "--depth=1", "--", url, source.revision)
    git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    return git("rev-parse", "HEAD")
