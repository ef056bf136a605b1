"""Tests of data.tables."""
