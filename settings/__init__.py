"""Settings of the shop. `environment.py` is the only reader of the process environment."""
