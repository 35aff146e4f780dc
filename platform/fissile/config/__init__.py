"""Reading configuration: typed, frozen, every error at once."""

from .environment import ConfigurationError, Reader, variables_of
from .project import completed

__all__ = ["ConfigurationError", "Reader", "completed", "variables_of"]
