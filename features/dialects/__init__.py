r"""Render the compiled SQL for PostgreSQL and Spark.

``sqlglot`` transpiles without complaint what then means something else, so each known trap has a rule with a name
(:data:`RULES`), and :func:`render` refuses to return a text in which one is left. Those that were silent:

- *calendar days*: Spark counts full days between timestamps, so both sides of a difference become dates;
- *largest of a row*: ``ARG_MAX`` over a row is the first of an ordered array (PostgreSQL), ``MAX_BY`` a struct (Spark);
- *doubles*: the compiler writes ``1e2``; a literal such as ``30.0`` is DECIMAL on Spark and divides otherwise;
- *local time*: ``AT TIME ZONE`` from UTC and back to it are two functions in Spark, one of which ``sqlglot`` never
  takes;
- *named groups*: ``\1`` in what stands instead of a pattern is ``$1`` (Spark);
- *ordered lists*: ``COLLECT_LIST`` forgets its order (Spark);
- *parts of seconds*: ``UNIX_TIMESTAMP`` forgets them (Spark);
- *halves*: PostgreSQL rounds a half to the even neighbour, the others away from zero;
- *lower case*: of sigma and dotted I in Java, of anything beyond ASCII in PostgreSQL's C locale;
- *as of*: an ASOF join stays as it is, and means a join on everything before.

The others fail aloud when they are missing.
"""

from features.dialects.rendering import RULES, Dialect, render, tables_in, taken_apart

__all__ = ["RULES", "Dialect", "render", "tables_in", "taken_apart"]
