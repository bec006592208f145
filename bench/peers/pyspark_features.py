"""The shared features with PySpark's DataFrames on two threads: ``python pyspark_features.py DATA NOW FILE ...``."""

import json
import resource
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as its manual calls it

data, now_text, target, quarter_text, year_text = sys.argv[1:6]
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.driver.memory", "4g")
    .config("spark.sql.shuffle.partitions", "8")  # two cores: the 200 of the default would only cost
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
now, quarter, year = (F.lit(text).cast("timestamp_ntz") for text in (now_text, quarter_text, year_text))
spine = spark.read.parquet(f"{data}/spine.parquet").select("customer_id")


def known(feed):
    rows = spark.read.parquet(f"{data}/{feed}.parquet")
    return rows.where((F.col("event_at") < now) & (F.col("loaded_at") <= now)).join(spine, "customer_id", "left_semi")


def when(condition, column=None):
    return F.when(condition, F.lit(1) if column is None else F.col(column))


def days_since(column):
    return F.floor((F.unix_micros(now.cast("timestamp")) - F.unix_micros(column.cast("timestamp"))) / 86_400_000_000)


def total(condition, column, divided_by=1):
    return F.coalesce(F.sum(when(condition, column)), F.lit(0)) / divided_by


of_quarter, of_year, always = F.col("event_at") >= quarter, F.col("event_at") >= year, F.lit(True)
lines = known("tills")
orders = lines.groupBy("customer_id", "order_id").agg(
    F.min("event_at").alias("event_at"),
    (F.max("amount_cents") >= 0).alias("is_bought"),
    F.sum(F.greatest("amount_cents", F.lit(0))).alias("paid_cents"),
    F.sum(F.greatest(-F.col("amount_cents"), F.lit(0))).alias("refund_cents"),
    F.sum("discount_cents").alias("discount_cents"),
)
bought = F.col("is_bought")
of_tills = orders.groupBy("customer_id").agg(
    days_since(F.max(when(bought, "event_at"))).alias("days_since_last_order"),
    days_since(F.min(when(bought, "event_at"))).alias("days_since_first_order"),
    F.count(when(bought & of_quarter)).alias("order_count_90d"),
    F.count(when(bought & of_year)).alias("order_count_365d"),
    F.count(when(bought)).alias("order_count_all"),
    total(of_quarter, "paid_cents", 100).alias("spend_amount_90d"),
    total(of_year, "paid_cents", 100).alias("spend_amount_365d"),
    total(always, "paid_cents", 100).alias("spend_amount_all"),
    (F.max(when(bought & of_year, "paid_cents")) / 100).alias("order_amount_max_365d"),
    total(of_quarter, "refund_cents", 100).alias("refund_amount_90d"),
    total(of_year, "refund_cents", 100).alias("refund_amount_365d"),
    total(of_quarter, "discount_cents", 100).alias("discount_amount_90d"),
    total(of_year, "discount_cents", 100).alias("discount_amount_365d"),
)
of_calls = (
    known("calls")
    .groupBy("customer_id")
    .agg(
        days_since(F.max("event_at")).alias("days_since_last_interaction"),
        F.count(when(of_quarter)).alias("interaction_count_90d"),
        F.count(when(of_year)).alias("interaction_count_365d"),
        F.count("*").alias("interaction_count_all"),
        F.count(when(of_year & (F.col("channel") == "phone"))).alias("interaction_phone_count_365d"),
        total(of_quarter, "duration_seconds", 60).alias("interaction_minutes_90d"),
        total(of_year, "duration_seconds", 60).alias("interaction_minutes_365d"),
        (F.avg(when(of_year, "duration_seconds")) / 60).alias("interaction_minutes_mean_365d"),
    )
)
of_surveys = (
    known("surveys")
    .groupBy("customer_id")
    .agg(
        days_since(F.max("event_at")).alias("days_since_last_feedback_request"),
        F.count(when(of_quarter)).alias("feedback_request_count_90d"),
        F.count(when(of_year)).alias("feedback_request_count_365d"),
        F.avg(when(of_year, "score")).alias("feedback_score_mean_365d"),
        F.min(when(of_year, "score")).alias("feedback_score_min_365d"),
    )
)
of_mails = (
    known("mails")
    .groupBy("customer_id")
    .agg(
        days_since(F.max("event_at")).alias("days_since_last_contact"),
        F.count(when(of_quarter)).alias("contact_count_90d"),
        F.count(when(of_year)).alias("contact_count_365d"),
        F.count(when(of_quarter & (F.col("channel") == "email"))).alias("contact_email_count_90d"),
    )
)
table = spine
for part in (of_tills, of_calls, of_surveys, of_mails):
    table = table.join(part, "customer_id", "left")
zero = [name for name in table.columns if "_count_" in name or "_amount_" in name or name.endswith("minutes_90d")]
zero = [name for name in [*zero, "interaction_minutes_365d"] if name != "order_amount_max_365d"]
table.fillna(0, subset=zero).coalesce(1).write.mode("overwrite").parquet(target)

# Spark's Java process must have ended, and been waited for, or its CPU time would be counted for nobody.
java = spark.sparkContext._gateway.proc
spark.stop()
java.stdin.close()
java.wait()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"java_cpu_seconds": used.ru_utime + used.ru_stime}))
