"""The test kit: a whole house as real processes, and patches that sabotage one of them.

Outside the floors: production code never imports it.
"""
