"""The JSON Schema (2020-12) of an event's payload, derived from its class. No Django."""

from __future__ import annotations

from typing import Any

import msgspec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def payload_schema(shape: type[Any]) -> dict[str, Any]:
    """Return the schema of what `to_wire` makes of a value of this class: closed over its own definitions."""
    (found,), definitions = msgspec.json.schema_components([shape], ref_template="#/$defs/{name}")
    own = definitions.pop(shape.__name__) if found == {"$ref": f"#/$defs/{shape.__name__}"} else found
    return {"$schema": DIALECT, **own, **({"$defs": definitions} if definitions else {})}
