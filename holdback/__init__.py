"""Ground floor: business file, tables, contracts, ingest, quarantine, warehouse. No models, no orchestration."""
