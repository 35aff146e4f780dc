"""Pages whose examples are run as they stand."""
