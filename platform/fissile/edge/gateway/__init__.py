"""The gateway: a declarative route table in front of named upstreams, as a bare ASGI application. No Django."""

from .application import Gateway
from .limits import Limits
from .routes import Route, RouteTable

__all__ = ["Gateway", "Limits", "Route", "RouteTable"]
