"""Key files: hexadecimal secrets and JWKs. A wrong file is a wrong setting; its path is reported, never its content."""

import json
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from chassis.settings import WrongSetting

HEX_BYTES_MIN = 32


def read_text(path: Path) -> str:
    """The text of a key file; WrongSetting if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        why = error.strerror or "unreadable"
    except UnicodeDecodeError:
        why = "not a text file"
    raise WrongSetting(f"{path} cannot be read ({why}); provide this key file") from None


def read_hex(path: Path) -> bytes:
    """A secret of at least 32 bytes in hexadecimal; WrongSetting for anything else."""
    text = read_text(path)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        why = "is not hexadecimal"
    else:
        if len(key) >= HEX_BYTES_MIN:
            return key
        why = f"has {len(key)} bytes"
    raise WrongSetting(
        f"{path} {why}; it must hold at least {HEX_BYTES_MIN} random bytes in hexadecimal, such as the output of "
        f"`openssl rand -hex {HEX_BYTES_MIN}`"
    ) from None


def read_private_jwk(path: Path) -> ECKey:
    """A private EC P-256 key; WrongSetting for anything else."""
    key = read_jwk(path)
    if not key.is_private:
        raise WrongSetting(f"{path} is a public key; it must be the private JWK (EC P-256)")
    return key


def read_jwk(path: Path) -> ECKey:
    """A public or private EC P-256 key; WrongSetting for anything else."""
    text = read_text(path)
    try:
        fields: Any = json.loads(text)
        key = ECKey.import_key(fields)
        if key.curve_name == "P-256":
            return key
        why = f"is on the curve {key.curve_name}"
    except json.JSONDecodeError:
        why = "is not JSON"
    # The import checks little: a wrong type of a field or a point off the curve raises what lies below it.
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        why = "is not an EC key"
    raise WrongSetting(f"{path} {why}; it must be a JWK (RFC 7517) of type EC on P-256") from None
