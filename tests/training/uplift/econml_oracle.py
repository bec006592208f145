"""Runs in the oracle's own environment: ``python econml_oracle.py IN.npz OUT.npy`` (needs econml, nothing of ours)."""

import sys

import numpy as np
from econml.dr import DRLearner
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV

given = np.load(sys.argv[1])
learner = DRLearner(
    model_propensity=DummyClassifier(strategy="prior"),  # drawn with one probability
    model_regression=HistGradientBoostingRegressor(max_iter=100, learning_rate=0.05, max_depth=4, random_state=0),
    model_final=RidgeCV(alphas=np.logspace(-1, 6, 15)),
    cv=3,
    random_state=0,
)
learner.fit(given["good"], given["treated"].astype(int), X=given["x"])
np.save(sys.argv[2], learner.effect(given["fresh"]).ravel())
