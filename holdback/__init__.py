"""Ground floor: the business file, tables, contracts, ingest, quarantine and the warehouse. No models, no orchestration."""
