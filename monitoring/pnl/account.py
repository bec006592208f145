"""The account of a day: lines from what was spent and what became of everybody, proved against the books."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from campaigns.designs import launched_versions
from holdback.business import Business
from holdback.errors import DataError, OperatorError
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from monitoring.outcomes import Cohort, cohort_of, programme
from monitoring.pnl.arithmetic import LEVEL
from monitoring.pnl.books import entries
from monitoring.pnl.cohort_account import CohortAccount
from monitoring.pnl.lines import Line, ProfitAndLoss, Proof

_NOT_ADDED = (
    "Costs add up over lines. Effects do not: a campaign's own line is estimated from all of its customers, and the "
    "programme is measured against its own holdout. Never add campaigns."
)
_CONTACTS_COUNT_ONCE = (
    "The programme's line holds what all campaigns spent on its customers within the programme's horizon; the same "
    "money stands in the campaigns' lines. Never add the programme to the campaigns."
)


def pnl(workspace: Workspace, as_of: date) -> ProfitAndLoss:
    """Return what retention cost and what it brought, by campaign, class and month of entry, as known on a day.

    A month is read when everybody who entered in it is mature; until then it stands there with what it cost, and the
    first day on which it can be read. Where an integrity check failed when the campaign was measured last, effects are
    withheld here as well.

    Args:
        workspace: The business.
        as_of: The day of knowledge.

    Raises:
        DataError: nothing was decided by then, or the assignments contradict themselves.
        BusinessFileError: a feed that the account needs is gone from the file.
        OperatorError: a total of the account differs from the books; nothing is handed out.
    """
    warehouse, business = workspace.warehouse, workspace.business
    lines: list[Line] = []
    proofs: list[Proof] = []
    notes: dict[str, None] = dict.fromkeys([_NOT_ADDED, _CONTACTS_COUNT_ONCE])
    for account in accounts(warehouse, business, as_of):
        lines += account.lines()
        proofs += account.proofs()
        notes |= dict.fromkeys(f"{account.cohort.name}: {note}" for note in account.outcomes.notes)
    if not lines:
        raise DataError(
            f"{business.slug}: profit and loss of {as_of}: nobody was assigned to anything by then. Decide a day first "
            "(`holdback decide`)."
        )
    elsewhere = [campaign.name for campaign in business.campaigns if campaign.assigned_by is not None]
    notes |= dict.fromkeys(
        f"{name}: was run elsewhere; its cost is not in the ledger, so it has no account here" for name in elsewhere
    )
    _refuse_what_differs(business, as_of, proofs)
    return ProfitAndLoss(business.slug, as_of, business.currency, LEVEL, tuple(lines), tuple(proofs), tuple(notes))


def accounts(warehouse: Warehouse, business: Business, as_of: date) -> Iterator[CohortAccount]:
    """Yield the account of the programme, when anybody is held out of it, then that of every launched version.

    They are only read: nothing is written, and nothing is proved until their ``proofs`` are asked for.
    """
    for cohort in _cohorts(warehouse, business, as_of):
        yield CohortAccount(warehouse, business, cohort, as_of)


def _cohorts(warehouse: Warehouse, business: Business, as_of: date) -> Iterator[Cohort]:
    """Yield the programme, when anybody is held out of it, then every launched version."""
    everybody = programme(business, as_of)
    found = entries(warehouse, everybody, as_of)
    if any(held for _, held, _ in found.values()):
        yield everybody
    in_file = {campaign.name: campaign for campaign in business.campaigns}
    for design in launched_versions(warehouse, as_of):
        yield cohort_of(business, in_file.get(design.campaign), design)


def _refuse_what_differs(business: Business, as_of: date, proofs: Sequence[Proof]) -> None:
    wrong = [str(proof) for proof in proofs if not proof.agrees]
    if wrong:
        raise OperatorError(
            f"{business.slug}: profit and loss of {as_of}: {'; '.join(wrong)}. An account is only handed out when it "
            "agrees with the books to the cent. Run `holdback ledger verify`, look for actions that were renamed or "
            "changed in the business file since, and report it when both are as they were."
        )
