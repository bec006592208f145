"""Tests of the ground floor: business file, tables, contracts, ingest, quarantine, warehouse, journal."""
