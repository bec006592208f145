"""Several days at once: the feature tables of many days from one pass over the rows.

:mod:`features.build` reads a feed anew for each day. Here its rows are read once, sorted by customer and time. On any
day a customer's visible rows are the first so many of them, a window is a run of them, and a count or a sum over it is
the difference of two running totals (NumPy). What a feature means stays where it is declared: only its *measures*
(:mod:`features.measures`: whole numbers) are found in another way; the expression over them is the same SQL.

Where a customer's visible rows are not the first ones (a late row, a correction, an order whose refund came later), the
customer's features of that day are computed by the statements of the day; so are the features of roles that need more
than runs of rows (contracts, texts, attributes, own families).
"""
