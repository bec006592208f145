"""Tests of one machine's servers: what is planned, started, watched, made good and ended."""
