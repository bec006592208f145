"""Tests of monitoring.effects."""
