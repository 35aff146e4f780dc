"""Strict JSON: what a lenient reader would guess at is refused as malformed (T41)."""

from __future__ import annotations

import io
import json

import pytest
from django.test import RequestFactory

from fissile.edge.api.parsing import LARGEST_BODY_BYTES, ensure_json, load_json, read_body
from fissile.edge.api.refusals import ContentTooLarge, MalformedRequest, UnsupportedMediaType


def nested(levels):
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"{",
        b'{"a":1,}',
        b"{'a':1}",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'"\xff"',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"[1e400]",
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'"\\u0000"',
        b'{"\\u0000":1}',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"a":["\\udfff"]}',
        b'"\x01"',
        b"01",
        b"9" * 19,
        b"-" + b"9" * 19,
        b"9" * 5000,
        nested(33),
        nested(10_000),
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
)
def test_what_cannot_be_read_one_way_only_is_malformed(body):
    with pytest.raises(MalformedRequest) as no:
        load_json(body)

    assert no.value.status == 400


@pytest.mark.parametrize(
    "value", [{}, [], None, True, 1.5, 10**18 - 1, {"a": {"b": ["ü", "\U0001f9f1", ""]}}, json.loads(nested(32))]
)
def test_what_is_plain_json_is_read(value):
    assert load_json(json.dumps(value).encode()) == value
    assert load_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_json_in_utf8_is_taken(kind):
    ensure_json(kind, "")


@pytest.mark.parametrize(
    ("kind", "coding"),
    [
        ("", ""),
        ("text/plain", ""),
        ("application/jsonp", ""),
        ("application/json; charset=utf-16", ""),
        ("application/x-www-form-urlencoded", ""),
        ("multipart/form-data; boundary=x", ""),
        ("application/json", "gzip"),
    ],
)
def test_anything_else_is_an_unsupported_media_type(kind, coding):
    with pytest.raises(UnsupportedMediaType):
        ensure_json(kind, coding)


def a_post(body, **environ):
    return RequestFactory().post("/", body, content_type="application/json", **environ)


def test_a_body_of_the_largest_size_is_read_and_one_byte_more_is_not():
    assert len(read_body(a_post(b"x" * LARGEST_BODY_BYTES))) == LARGEST_BODY_BYTES

    with pytest.raises(ContentTooLarge):
        read_body(a_post(b"x" * (LARGEST_BODY_BYTES + 1)))


def test_an_announced_size_is_refused_before_a_byte_is_read():
    request = a_post(b"", CONTENT_LENGTH="9" * 30)
    request.META["wsgi.input"] = None

    with pytest.raises(ContentTooLarge):
        read_body(request)


def chunked(body):
    request = a_post(b"")
    request.META |= {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True}
    return request


def test_a_chunked_body_is_read_and_bounded_too():
    assert read_body(chunked(b"{}")) == b"{}"

    with pytest.raises(ContentTooLarge):
        read_body(chunked(b"x" * (LARGEST_BODY_BYTES + 1)))
