"""The doors of a process: HTTP in, problems out."""
