"""Churn models: datasets, fit, calibration, guards, gate, registry, reasons and scores.

- :mod:`training.retraining` trains a challenger, judges it and lets it take office if it may (``retrain``);
- :mod:`training.scoring` gives every customer of a day a frozen score (``score_day``);
- :mod:`training.registry` is where models live: list, show, promote, roll back.

Doors: CatBoost in :mod:`training.churn`, MLflow in :mod:`training.registry`. ``churn_model.py`` is the file that
travels inside every registered model and is never imported here.
"""
