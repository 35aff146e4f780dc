"""Attacks on the token verifier (RFC 8725, RFC 9068): each is refused, all with the same answer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from forging import Forger, b64
from joserfc.jwk import ECKey

from fissile.trust import NotAuthenticated, keys, verify_access, verify_service

NOW = 1_800_000_000
SENTENCE = "The access token is missing, expired or not ours."


def access_claims() -> dict:
    return {"iss": "fissile-users", "aud": "fissile-shop", "sub": "u-1", "jti": "j-1", "iat": NOW, "exp": NOW + 900}


def service_claims() -> dict:
    return {
        "iss": "orders", "aud": "users", "sub": "u-1", "act": {"sub": "orders"},
        "jti": "j-1", "iat": NOW, "exp": NOW + 30,
    }


@pytest.fixture(params=["access", "service"])
def attacked(request, keys_dir):
    """(forger, verify) of each of the two verifiers."""
    if request.param == "access":
        forger = Forger(keys_dir, keys.ACCESS, "at+jwt", access_claims())
        return forger, lambda token: verify_access(token, now=NOW)
    forger = Forger(keys_dir, keys.service_key("orders"), "svc+jwt", service_claims())
    return forger, lambda token: verify_service(token, "users", now=NOW)


def refused(verify, token) -> None:
    with pytest.raises(NotAuthenticated) as no:
        verify(token)
    assert (no.value.status, no.value.code, str(no.value)) == (401, "not_authenticated", SENTENCE)
    assert no.value.facts == {}
    assert no.value.__cause__ is None
    assert no.value.__suppress_context__


def test_the_forgers_unchanged_token_is_good(attacked):
    forger, verify = attacked

    assert verify(forger.token()).subject == "u-1"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "none ", "", "NoNe", "NONe", None, 0])
def test_no_spelling_of_alg_none_is_accepted(attacked, alg):
    forger, verify = attacked
    signed = forger.token(header={"alg": alg})

    refused(verify, signed)
    refused(verify, signed.rsplit(".", 1)[0] + ".")
    refused(verify, signed.rsplit(".", 1)[0])


@pytest.mark.parametrize("alg", ["ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "RS256", "PS256", "HS256", "es256"])
def test_the_header_cannot_choose_another_algorithm(attacked, alg):
    forger, verify = attacked

    refused(verify, forger.token(header={"alg": alg}))


@pytest.mark.parametrize("form", ["pem", "der", "jwk", "point", "raw_x"])
@pytest.mark.parametrize("alg", ["HS256", "ES256"])
def test_the_public_key_is_no_hmac_secret(attacked, form, alg):
    forger, verify = attacked
    public = forger.key.public_key
    secret = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(forger.key.as_dict(private=False)).encode(),
        "point": public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        "raw_x": base64.urlsafe_b64decode(forger.key.as_dict(private=False)["x"] + "="),
    }[form]
    signed = forger.token(header={"alg": alg}).rsplit(".", 1)[0]
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()

    refused(verify, f"{signed}.{b64(mac)}")
    refused(verify, f"{signed}.{b64(mac + mac)}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jwk", "own"), ("jku", "https://evil.example/jwks.json"), ("x5u", "https://evil.example/c.pem"),
        ("x5c", ["MIIB"]), ("x5t", "abc"), ("crit", ["exp"]), ("crit", []), ("b64", False), ("zip", "DEF"),
        ("enc", "A256GCM"), ("cty", "JWT"), ("url", "http://127.0.0.1/"), ("nonce", "1"),
    ],
)  # fmt: skip
def test_a_header_with_more_than_alg_typ_kid_is_refused(attacked, name, value):
    forger, verify = attacked
    own = ECKey.generate_key("P-256")
    header = {name: own.as_dict(private=False) if value == "own" else value}

    refused(verify, forger.token(header=header))
    refused(verify, forger.token(header=header, key=own))
    refused(verify, forger.token(header={**header, "kid": own.thumbprint()}, key=own))


@pytest.mark.parametrize("missing", ["alg", "typ", "kid"])
def test_a_header_without_alg_typ_or_kid_is_refused(attacked, missing):
    forger, verify = attacked

    refused(verify, forger.token(without=[missing]))


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null", "users-access", "' OR 1=1 --", "http://evil.example/k", "k" * 43, "k" * 4_000, "",
        "\x00" * 43, None, 7, ["a"], {"a": 1}, True,
    ],
)  # fmt: skip
def test_a_kid_is_only_ever_a_known_thumbprint(attacked, kid):
    forger, verify = attacked

    refused(verify, forger.token(header={"kid": kid}))


def test_a_known_kid_does_not_help_another_key(attacked):
    forger, verify = attacked

    refused(verify, forger.token(key=ECKey.generate_key("P-256")))


@pytest.mark.parametrize("typ", ["JWT", "jwt", "rt+jwt", "id+jwt", "AT+JWT", "application/at+jwt", "", None, "at+jwt "])
def test_a_refresh_or_id_token_is_no_access_token(attacked, typ):
    forger, verify = attacked

    refused(verify, forger.token(header={"typ": typ}))


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "jti", "iat", "exp"])
def test_every_required_claim_is_required(attacked, name):
    forger, verify = attacked

    refused(verify, forger.token(drop=[name]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iss", "fissile-orders"), ("iss", "https://evil.example"), ("iss", ""), ("iss", ["fissile-users"]),
        ("iss", None), ("iss", "FISSILE-USERS"), ("iss", "bff"),
        ("aud", "other-shop"), ("aud", "bff"), ("aud", ""), ("aud", None), ("aud", []), ("aud", ["fissile-shop", "x"]),
        ("aud", {"fissile-shop": 1}), ("aud", "fissile-shop "),
        ("sub", ""), ("sub", None), ("sub", 7), ("sub", ["u-1"]), ("sub", "u" * 256), ("sub", "u\u0000"),
        ("sub", "u\r\nx-user: admin"), ("jti", ""), ("jti", 1), ("jti", None),
        ("exp", str(NOW + 30)), ("exp", NOW + 30.0), ("exp", 10**30), ("exp", NOW + 86_400), ("exp", True),
        ("exp", None), ("exp", -1), ("exp", 0), ("exp", NOW), ("exp", NOW - 1), ("exp", [NOW + 30]), ("exp", "never"),
        ("iat", str(NOW)), ("iat", NOW + 60), ("iat", NOW - 1_000_000), ("iat", 0), ("iat", True), ("iat", None),
        ("iat", float(NOW)), ("nbf", NOW + 60), ("nbf", str(NOW)), ("nbf", None), ("nbf", True), ("nbf", 10**30),
    ],
)  # fmt: skip
def test_a_claim_of_another_value_or_kind_is_refused(attacked, name, value):
    forger, verify = attacked

    refused(verify, forger.token(**{name: value}))


def test_an_expired_token_is_refused_after_the_leeway(attacked):
    forger, verify = attacked
    lifetime = forger.claims["exp"] - NOW
    late = forger.token(iat=NOW - lifetime - 5, exp=NOW - 5)
    in_leeway = forger.token(iat=NOW - lifetime - 4, exp=NOW - 4)

    refused(verify, late)
    assert verify(in_leeway).subject == "u-1"


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"null", b"[]", b'"text"', b"7", b"{", b"{}", b"{'exp': 1}", b'{"exp": NaN}', b'{"exp": Infinity}',
        b"[" * 5_000, b'{"exp": ' + b"9" * 5_000 + b"}", b"\xff\xfe{}", b"\xef\xbb\xbf{}",
    ],
)  # fmt: skip
def test_a_payload_or_header_that_is_no_strict_json_object_is_refused(attacked, raw):
    forger, verify = attacked

    refused(verify, forger.token(raw_payload=raw))
    refused(verify, forger.token(raw_header=raw))


def test_utf_16_is_refused(attacked):
    forger, verify = attacked

    refused(verify, forger.token(raw_payload=forger.payload().decode().encode("utf-16")))
    refused(verify, forger.token(raw_header=json.dumps(forger.header).encode("utf-16")))


@pytest.mark.parametrize("name", ["exp", "sub", "iss", "aud"])
def test_a_claim_that_stands_twice_is_refused(attacked, name):
    forger, verify = attacked
    twice = forger.payload()[:-1] + f', "{name}": {json.dumps(forger.claims[name])}}}'.encode()

    refused(verify, forger.token(raw_payload=twice))


@pytest.mark.parametrize("name", ["alg", "typ", "kid"])
def test_a_header_member_that_stands_twice_is_refused(attacked, name):
    forger, verify = attacked
    twice = json.dumps(forger.header).encode()[:-1] + f', "{name}": {json.dumps(forger.header[name])}}}'.encode()

    refused(verify, forger.token(raw_header=twice))


@pytest.mark.parametrize("signature", [b"\x00" * 64, b"\xff" * 64, b"\x00" * 32 + b"\x01" * 32, b"\x01" * 64])
def test_a_psychic_signature_is_refused(attacked, signature):
    """r = s = 0 and its kin (CVE-2022-21449)."""
    forger, verify = attacked

    refused(verify, forger.token().rsplit(".", 1)[0] + "." + b64(signature))


def test_a_der_signature_is_refused(attacked):
    forger, verify = attacked
    signed = forger.token().rsplit(".", 1)[0]
    der = forger.key.private_key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))

    refused(verify, f"{signed}.{b64(der)}")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t[:-1], lambda t: t[:-2], lambda t: t + "A", lambda t: t + "=", lambda t: t + "==",
        lambda t: t + "\n", lambda t: " " + t, lambda t: t + ".", lambda t: "." + t, lambda t: t + "." + t,
        lambda t: t.replace(".", ".."), lambda t: t.replace(".", "", 1), lambda t: t.replace(".", "=.", 1),
        lambda t: t.split(".")[1] + "." + t.split(".")[0] + "." + t.split(".")[2],
        lambda t: t.split(".")[0] + ".." + t.split(".")[2], lambda t: f"{t}.{b64(b'tag')}.{b64(b'iv')}",
        lambda t: t.encode(), lambda t: None, lambda t: "", lambda t: 7, lambda t: "Bearer " + t,
        lambda t: t[:20] + "\u0430" + t[21:], lambda t: t[:20] + "\ud800" + t[21:], lambda t: t[:20] + "\0" + t[21:],
        lambda t: t + "A" * 1_000_000, lambda t: "A" * 1_000_000, lambda t: "." * 1_000_000,
        lambda t: json.dumps({"t": t}),
    ],
)  # fmt: skip
def test_a_spoilt_token_is_refused(attacked, spoil):
    forger, verify = attacked

    refused(verify, spoil(forger.token()))


def test_a_token_has_one_spelling(attacked):
    """The last character of an ES256 signature has loose bits; only zeros are accepted."""
    forger, verify = attacked
    token = forger.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]

    verify(token)

    refused(verify, twin)


def test_a_token_over_eight_kilobytes_is_refused_however_well_signed(attacked):
    forger, verify = attacked

    refused(verify, forger.token(filler="x" * 8_192))


def test_one_changed_bit_anywhere_spoils_a_token(attacked):
    forger, verify = attacked
    token = forger.token()

    for place in range(0, len(token), 7):
        if token[place] == ".":
            continue
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        refused(verify, changed)


def test_a_service_token_opens_no_user_route_and_the_other_way_round(keys_dir):
    user = Forger(keys_dir, keys.ACCESS, "at+jwt", access_claims())
    service = Forger(keys_dir, keys.service_key("orders"), "svc+jwt", service_claims())

    refused(lambda token: verify_access(token, now=NOW), service.token())
    refused(lambda token: verify_service(token, "users", now=NOW), user.token())
    refused(lambda token: verify_access(token, now=NOW), service.token(header={"typ": "at+jwt"}, **access_claims()))
    refused(
        lambda token: verify_service(token, "users", now=NOW), user.token(header={"typ": "svc+jwt"}, **service_claims())
    )


def test_a_service_cannot_speak_as_another(keys_dir):
    orders = Forger(keys_dir, keys.service_key("orders"), "svc+jwt", service_claims())

    for claims in (
        {"iss": "bff"},
        {"iss": "bff", "act": {"sub": "bff"}},
        {"act": {"sub": "bff"}},
        {"act": {"sub": "orders", "act": {"sub": "bff"}}},
        {"act": "orders"},
        {"act": None},
    ):
        refused(lambda token: verify_service(token, "users", now=NOW), orders.token(**claims))
    refused(lambda token: verify_service(token, "users", now=NOW), orders.token(drop=["act"]))


def test_a_token_for_one_context_opens_no_other(keys_dir):
    orders = Forger(keys_dir, keys.service_key("orders"), "svc+jwt", service_claims())

    verify_service(orders.token(), "users", now=NOW)

    refused(lambda token: verify_service(token, "bff", now=NOW), orders.token())
