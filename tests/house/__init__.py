"""Tests of the house itself: its layout, its import rules, its pins and its servers."""
