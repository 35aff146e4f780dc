"""Tests of the test kit: each of its parts lets good code pass and turns red on bad code."""
