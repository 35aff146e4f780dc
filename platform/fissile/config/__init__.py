"""Reading configuration: typed, frozen, every error at once."""

from .environment import ConfigurationError, Reader, variables_of

__all__ = ["ConfigurationError", "Reader", "variables_of"]
