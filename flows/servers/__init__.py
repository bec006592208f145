"""One machine's servers: Prefect, MLflow, the site and the worker, started, watched and ended together.

``holdback up`` is the supervisor (:mod:`flows.servers.supervision`). Each server runs under a keeper
(:mod:`flows.servers.keeper`) that writes its log and ends it when the supervisor is gone, whatever ended that.
"""
