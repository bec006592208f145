"""Companies whose truth is known: for the demo and for tests, for nobody else.

>>> from datetime import date
>>> from simulator import open_company
>>> company = open_company("telecom", seed=7, customer_count=300, starts_on=date(2025, 1, 1))
>>> day = date(2025, 1, 1)
>>> company.play(day)                                           # one day happens ...
>>> sorted(company.feeds(day))[0]                               # ... and leaves the files that a real company has
'contacts'

A year at once is ``company.write_history(folder, until)``; a day of the loop is
``contacts = company.take_contacts(outbox, day)``, ``company.play(day, contacts)``, ``company.write_day(folder, day)``.
What nobody in a company knows is in :mod:`simulator.truth`.
"""

from simulator.company import Company, open_company
from simulator.contacts import Contact

__all__ = ["Company", "Contact", "open_company"]
