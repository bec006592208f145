"""What was known about a customer at ``as_of``: spine, features, labels.

Both clocks count everywhere: a row is visible at ``as_of`` when ``event_at < as_of`` and ``loaded_at <= as_of``.

- :mod:`features.families` says which features a business has (:func:`features.families.feature_set`);
- :mod:`features.computation` computes them in bounded memory (:func:`features.build.build_features`);
- :mod:`features.spine` says whom they describe, :mod:`features.labels` who left;
- :mod:`features.triggers` says for whom something happened, :mod:`features.segments` who they are;
- :mod:`features.explain` shows one customer's values with the events behind them;
- :mod:`features.own` reads a company's own SQL files.
"""
