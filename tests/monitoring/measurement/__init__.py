"""Tests of monitoring.measurement."""
