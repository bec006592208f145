"""Tests of the messages that decisions carry."""
