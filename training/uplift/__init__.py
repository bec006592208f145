"""Whom an action changes: uplift models learned from randomised experience, and the league that lets one decide.

- :mod:`training.uplift.trial`: what is learned from: one action against nothing, with logged propensities;
- :mod:`training.uplift.fitting`: the DR-stack and everything that competes with it, out of fold;
- :mod:`training.uplift.league`: who may decide: a metric fixed beforehand, paired intervals, else "no evidence";
- :mod:`training.uplift.qini`: the one Qini coefficient of the project.
"""
