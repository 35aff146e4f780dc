"""Forges tokens for attack tests: any header, any payload bytes, any key, signed correctly."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from fissile.trust import keys


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Forger:
    """A token of one kind, right in everything but what a test changes."""

    def __init__(self, folder: Path, key_name: str, typ: str, claims: dict) -> None:
        self.folder, self.claims = folder, claims
        self.key = keys.load_private(keys.private_path(folder, key_name))
        self.header = {"alg": "ES256", "typ": typ, "kid": self.key.thumbprint()}

    def signature(self, signed: bytes, key=None) -> bytes:
        der = (key or self.key).private_key.sign(signed, ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(der)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def token(self, *, header=None, without=(), raw_header=None, raw_payload=None, key=None, drop=(), **claims) -> str:
        """Return a signed token; `header` and claims replace, `without` and `drop` remove."""
        head = {name: value for name, value in {**self.header, **(header or {})}.items() if name not in without}
        body = {name: value for name, value in {**self.claims, **claims}.items() if name not in drop}
        first = b64(raw_header if raw_header is not None else json.dumps(head).encode())
        second = b64(raw_payload if raw_payload is not None else json.dumps(body).encode())
        signed = f"{first}.{second}".encode()
        return f"{first}.{second}.{b64(self.signature(signed, key))}"

    def payload(self) -> bytes:
        return json.dumps(self.claims).encode()
