"""What operators see of the runs: lines of a log, figures for Prometheus, and one screen that explains a day.

Everything here is read from the journal and the tables, or said in passing; nothing here decides anything, and a log
that cannot be written stops no run.
"""
