"""Connection settings: given as arguments, or read from the profiles of docs/cli.md."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import pathlib
import re
import stat
import urllib.parse
from collections.abc import Callable
from typing import Any

import yaml

from .errors import ConfigError, Unauthenticated

_LOGIN = ("issuer", "client_id", "issuer_ca", "resource")  # settings of `jali login`, which this package does not use
_PATHS = ("ca", "cert", "key", "token_file", "vkeys", "seal")


@dataclasses.dataclass(frozen=True)
class Profile:
    """Which gateway to ask and how to recognise it. ``ca``, ``cert``, ``key`` and ``vkeys`` hold PEM text (key lines) or a path."""

    endpoint: str
    ca: str = ""
    cert: str = ""
    key: str = ""
    token_file: str = ""
    vkeys: str = ""
    seal: str = ""
    agreement: str = ""
    purpose: str = ""
    dataset: str = ""

    @property
    def target(self) -> str:
        """host:port of the endpoint; only https is spoken."""
        hint = "write it as https://host:port, e.g. https://gateway.example:8443"
        try:
            u = urllib.parse.urlsplit(self.endpoint)
            port = u.port or 443
        except ValueError:
            raise ConfigError("the endpoint is not an https address", hint) from None
        if u.scheme != "https" or not u.hostname or u.path not in ("", "/") or u.query or u.fragment or u.username is not None:
            raise ConfigError("the endpoint is not an https address", hint)
        host = f"[{u.hostname}]" if ":" in u.hostname else u.hostname
        return f"{host}:{port}"

    def pem(self, what: str) -> bytes | None:
        """The text of ca, cert or key; None: not set. A key file must not be readable by others."""
        given: str = getattr(self, what)
        if not given:
            return None
        if "-----BEGIN" in given:
            return given.encode()
        path = pathlib.Path(given)
        try:
            if what == "key" and os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise ConfigError(f"client key {given} can be read by other users", f"chmod 600 {given}")
            return path.read_bytes()
        except OSError as error:
            raise ConfigError(f"read {what}: {error}", "check the path") from None

    def key_lines(self) -> str:
        """The log's verifier keys as text; empty: none are pinned."""
        if not self.vkeys or "\n" in self.vkeys or self.vkeys.count("+") >= 2 and not os.path.exists(self.vkeys):
            return self.vkeys
        try:
            return pathlib.Path(self.vkeys).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"read log verifier keys: {error}", "name the vkeys file that came with the client certificate") from None


def profile_path() -> pathlib.Path:
    """Where profiles are kept: $JALI_CONFIG, else ~/.config/jali/config.yaml."""
    return pathlib.Path(os.environ.get("JALI_CONFIG") or pathlib.Path.home() / ".config" / "jali" / "config.yaml")


def load_profile(name: str = "") -> Profile:
    """Finds a profile: by its name in ``profile_path()``, or by the path of a file or of a directory with profile.yaml in it (what
    ``jali-gateway client new`` writes). Empty: the default one, or the only one."""
    path = profile_path()
    if name and (os.sep in name or name.endswith((".yaml", ".yml")) or name in (".", "..") or os.path.exists(os.path.join(name, "profile.yaml"))):
        path, name = pathlib.Path(name), ""
        if path.is_dir():
            path = path / "profile.yaml"
    profiles, default = _read(path)
    name = name or default or (next(iter(profiles)) if len(profiles) == 1 else "")
    if name not in profiles:
        raise ConfigError(f"no profile {name!r}" if name else "no profile named and no default set", f"{path} has " + ", ".join(sorted(profiles)))
    return profiles[name]


def token_file(path: str) -> Callable[[], str]:
    """Reads the access token that ``jali login`` wrote, each time again. This package does not renew it: any question asked with ``jali`` does."""

    def read() -> str:
        again = "log in again: jali login"
        try:
            if os.name == "posix" and stat.S_IMODE(os.stat(path).st_mode) & 0o077:
                raise ConfigError(f"token file {path} can be read by other users", f"chmod 600 {path}; if others may have read it, log in again")
            held = json.loads(pathlib.Path(path).read_text())
            token, expires = held["access_token"], _instant(held["expires"])
        except OSError as error:
            raise ConfigError(f"read token file {path}: {error.strerror}", again) from None
        except (ValueError, KeyError, TypeError, AttributeError):  # the parser's text may hold a token
            raise ConfigError(f"token file {path} is damaged or of another version", again) from None
        if held.get("format") != "jali-token/1" or not isinstance(token, str) or not re.fullmatch("[!-~]+", token, re.ASCII):
            raise ConfigError(f"token file {path} is damaged or of another version", again)
        if expires <= datetime.datetime.now(datetime.timezone.utc):
            raise Unauthenticated("the access token has expired", code="TOKEN", hint="ask something with `jali`, which renews it, or log in again: jali login")
        return token

    return read


def _instant(text: str) -> datetime.datetime:
    """An RFC 3339 time as Go writes it, with up to nine digits after the second."""
    parts = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d)", text, re.ASCII)
    if parts is None:
        raise ValueError("not a time")
    return datetime.datetime.fromisoformat(parts.group(1) + parts.group(2).replace("Z", "+00:00"))


class _Strict(yaml.SafeLoader):
    """Refuses a key given twice, which YAML readers otherwise settle in silence."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        out: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(out) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key is given twice", node.start_mark)
        return out


def _read(path: pathlib.Path) -> tuple[dict[str, Profile], str]:
    hint = 'see docs/cli.md, "Profiles"'
    try:
        whole = yaml.load(path.read_text(), Loader=_Strict)  # a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"read profile: {error}", "`jali-gateway client new` writes one") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"read profile {path}: {error}", hint) from None
    if not isinstance(whole, dict) or not set(whole) <= {"default", "profiles"} or not isinstance(whole.get("profiles"), dict):
        raise ConfigError(f"read profile {path}: want the keys default and profiles", hint)
    known = {field.name for field in dataclasses.fields(Profile)}
    profiles: dict[str, Profile] = {}
    for name, settings in whole["profiles"].items():
        if not isinstance(settings, dict) or not set(settings) <= known.union(_LOGIN) or not all(isinstance(v, str) for v in settings.values()):
            raise ConfigError(f"read profile {path}: profile {name} has an unknown key, or one that is not text", hint)
        paths = {key: _beside(path, value) for key, value in settings.items() if key in _PATHS and value}
        profiles[str(name)] = Profile(**{"endpoint": "", **{k: v for k, v in settings.items() if k in known}, **paths})
    return profiles, str(whole.get("default") or "")


def _beside(path: pathlib.Path, value: str) -> str:
    """~/ is the home directory, and anything relative lies beside the file."""
    return str(path.resolve().parent / pathlib.Path(value).expanduser())
