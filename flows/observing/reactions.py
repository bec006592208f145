"""What to do about a failure, by the class of its error: one sentence, and the entry of the runbook that has more."""

from __future__ import annotations

from dataclasses import dataclass

from holdback import errors

DIED = "Died"
"""What a run is said to have failed of that ended without a word: killed, out of memory, or its machine gone."""
REAPED = "the process ended without a word"  # as the journal writes it


@dataclass(frozen=True)
class Reaction:
    """What to do.

    Attributes:
        do: Sentences that tell it.
        runbook: The entry of the runbook, as a link from the project's folder.
        exit_code: What the command line returned for it; None where nobody returned anything.
    """

    do: str
    runbook: str
    exit_code: int | None


_STEP, _CONTRACT = "docs/runbook.md#step-failed", "docs/runbook.md#contract-broken"
REACTIONS = {
    "BusinessFileError": Reaction(
        "Mend the business file where the sentence points; `holdback business check` shows every fault at once.",
        _STEP, errors.BusinessFileError.exit_code,
    ),
    "DataError": Reaction(
        "Mend the data, or have the delivery made again; `holdback ingest` tries it alone.",
        _STEP, errors.DataError.exit_code,
    ),
    "ContractBroken": Reaction(
        "Have the delivery made again, or let the business file know the change; `holdback ingest` tries it alone.",
        _CONTRACT, errors.ContractBroken.exit_code,
    ),
    "NotKnowableYet": Reaction(
        "Nothing: it is no fault. The sentence says from when on it is known; each day asks again by itself.",
        _STEP, errors.NotKnowableYet.exit_code,
    ),
    "Busy": Reaction(
        "Wait for the other run: `holdback runs` shows it. If it is dead, the next run takes its place.",
        _STEP, errors.Busy.exit_code,
    ),
    "OperatorError": Reaction(
        "Call whoever looks after the machine: a disk, a server, a permission or a model is not as it must be. "
        "`holdback doctor` looks for more.",
        _STEP, errors.OperatorError.exit_code,
    ),
    "PromotionConflict": Reaction(
        "Run `holdback retrain` again: it compares with the model that took office meanwhile.",
        _STEP, errors.PromotionConflict.exit_code,
    ),
    "Unforeseen": Reaction(
        "Run it again. If it stays, give the file that the sentence names to who looks after Holdback; it may repeat "
        "customers' data.",
        _STEP, errors.Unforeseen.exit_code,
    ),
    DIED: Reaction(
        "Look why: memory (`dmesg | grep -i kill`), a restart of the machine, somebody's kill. Then run it again.",
        _STEP, None,
    ),
}  # fmt: skip


def reaction_to(error_class: str) -> Reaction:
    """Return what to do about a class of errors; about one that is not ours, as about what nobody foresaw."""
    return REACTIONS.get(error_class, REACTIONS["Unforeseen"])
