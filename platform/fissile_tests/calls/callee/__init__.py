"""A context made for tests of calls: a facade that does one thing of each kind."""
