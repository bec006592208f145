"""Spark: the one door to it. A warehouse's tables as Spark sees them, and statements in Spark's SQL over them.

Spark reads the very Parquet files of which the newest versions of the tables consist (they are never changed), so no
row is copied and nothing is installed besides ``pyspark`` and Java. It only reads: whatever is written goes through the
warehouse. What may change the meaning of a statement is fixed here, not left to a cluster's defaults: the time zone is
UTC, an integer that does not fit is an error (ANSI), text in SQL knows one escape.

There is one Spark per process; a second master takes the place of the first.
"""

from holdback.warehouse.spark.starting import LEAST_JAVA, refuse_old_java, spark_errors, stop
from holdback.warehouse.spark.tables import Spark, naive

__all__ = ["LEAST_JAVA", "Spark", "naive", "refuse_old_java", "spark_errors", "stop"]
