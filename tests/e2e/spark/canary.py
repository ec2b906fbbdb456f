"""The secrets of the tests, which stand in nothing that a gateway writes or answers.

Whoever makes a secret keeps it here; each Gateway looks for all of them when it is stopped.
"""

import contextlib
import pathlib

_secrets = set()

TOKEN_VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"


def keep(secret):
    """Returns it. Of a JSON Web Token, the claims and the signature are secret each: its header is the same in many."""
    parts = secret.split(".")
    _secrets.update(parts[1:] if len(parts) == 3 else [secret])
    return secret


def forget(secret):
    _secrets.discard(secret)


def keep_tokens_of_drivers(mark):
    """Keeps the token of each process whose environment has `mark`, NAME=value."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # Gone meanwhile, or another user's.
            entries = (folder / "environ").read_bytes().split(b"\0")
            if mark.encode() in entries:
                found = [one for one in entries if one.startswith(TOKEN_VARIABLE.encode() + b"=")]
                _secrets.update(one.decode().split("=", 1)[1] for one in found)


def look(text, where):
    """An AssertionError that names `where`, and not the secret, when one stands in the text."""
    for secret in _secrets:
        if secret in text:
            raise AssertionError(f"a secret that begins with {secret[:6]!r} stands in {where}")


def look_into(path):
    """As `look`, into a file or all files of a folder. A file that is nothing but a secret is where it belongs."""
    for file in [path, *path.rglob("*")] if path.exists() else []:
        if file.is_file():
            text = file.read_bytes().decode(errors="replace")
            if text.strip() not in _secrets:
                look(text, file)
