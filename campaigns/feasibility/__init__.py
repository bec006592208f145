"""Can a campaign be read, when, and which design reads it sooner: asked before its launch.

:mod:`~campaigns.feasibility.history` reads the company's past, :mod:`~campaigns.feasibility.entries` plays the entry
forward, :mod:`~campaigns.feasibility.planning` compares designs, :mod:`~campaigns.feasibility.plans` finds the words.
"""

from campaigns.feasibility.entries import ActionLimit, BaseRate, Flow
from campaigns.feasibility.planning import plan
from campaigns.feasibility.plans import DesignOption, GlobalReading, Plan, percent, points

__all__ = ["ActionLimit", "BaseRate", "DesignOption", "Flow", "GlobalReading", "Plan", "percent", "plan", "points"]
