"""Reading configuration: typed, frozen, every error at once."""

from .environment import ConfigurationError, Reader, read_dataclass

__all__ = ["ConfigurationError", "Reader", "read_dataclass"]
