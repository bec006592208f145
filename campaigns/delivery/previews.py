"""What a day's messages look like before they leave, and which of them will not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from campaigns.delivery.contact_list import masked_id
from campaigns.delivery.contacts import check_contacts
from campaigns.messages import refuse_faulty_messages, sample_rows, write_messages
from holdback.business import Action, Business
from holdback.errors import BusinessFileError
from holdback.workspace import Workspace

_EXAMPLES = 3


@dataclass(frozen=True)
class Preview:
    """One message as it would leave; personal data, but for the customer's id."""

    customer: str
    campaign: str
    action: str
    channel: str
    subject: str | None
    message: str


@dataclass(frozen=True)
class WithheldCount:
    """Decisions that cannot leave for the same reason.

    Args:
        action: Their action.
        missing_field: What their message lacks.
        because: What is the matter with it.
        count: How many they are.
        customers: The ends of some of their ids.
    """

    action: str
    missing_field: str
    because: str
    count: int
    customers: tuple[str, ...]


@dataclass(frozen=True)
class Previews:
    """The messages of a day, some of each action.

    Args:
        is_sample: True when the customers are made up.
        messages: Those shown.
        message_count: How many there are.
        withheld: Those that would not leave.
    """

    is_sample: bool
    messages: tuple[Preview, ...]
    message_count: int
    withheld: tuple[WithheldCount, ...]


def preview(
    workspace: Workspace,
    as_of: date,
    *,
    campaign: str | None = None,
    action: str | None = None,
    language: str | None = None,
    limit: int = 3,
) -> Previews:
    """Return messages of the decisions of a day, as they would leave.

    Args:
        workspace: The company.
        as_of: The day of the decisions.
        campaign: Only of this campaign.
        action: Only of this action.
        language: Write them in this one instead of each customer's.
        limit: Messages per action.

    Raises:
        BusinessFileError: a message has faults, or there is no such campaign, action or language.
    """
    business = workspace.business
    _chosen(business, campaign, action, language)
    listed = check_contacts(workspace, as_of, language=language)

    def wanted(rows: pa.Table) -> list[dict[str, Any]]:
        return [
            row for row in rows.to_pylist() if campaign in (None, row["campaign"]) and action in (None, row["action"])
        ]

    written = [row for row in wanted(listed.contacts) if row.get("message") is not None]
    lacking = wanted(listed.withheld) if listed.withheld is not None else []
    return Previews(False, tuple(_first(written, limit)), len(written), _counted(lacking))


def preview_samples(
    business: Business,
    *,
    campaign: str | None = None,
    action: str | None = None,
    language: str | None = None,
    limit: int = 3,
) -> Previews:
    """Return messages to customers who do not exist, one per action and language.

    Args:
        business: The company.
        campaign: Only of this campaign's actions.
        action: Only of this action.
        language: Only in this one.
        limit: Messages per action.

    Raises:
        BusinessFileError: a message has faults, or there is no such campaign, action or language.
    """
    written: list[dict[str, Any]] = []
    for one in _chosen(business, campaign, action, language):
        rows = sample_rows(business, [one])
        assert one.message is not None
        for spoken in [language] if language else one.message.text:
            made = write_messages(business, rows, language=spoken).messages.to_pylist()
            written += [{**rows.to_pylist()[0], **message, "shown_as": f"sample, {spoken}"} for message in made]
    return Previews(True, tuple(_first(written, limit)), len(written), ())


def _chosen(business: Business, campaign: str | None, action: str | None, language: str | None) -> list[Action]:
    """Return the actions that were asked for and write something; refuse names that do not exist."""
    refuse_faulty_messages(business)
    names = business.campaign_named(campaign).actions if campaign else [one.name for one in business.actions]
    if action is not None and action not in names:
        raise BusinessFileError(
            f"{business.slug}: action {action!r} does not exist{' in ' + campaign if campaign else ''}. "
            f"Choose one of: {', '.join(names)}."
        )
    chosen = [
        one for one in business.actions if one.message is not None and one.name in names and action in (None, one.name)
    ]
    known = sorted({spoken for one in chosen if one.message for spoken in one.message.text})
    if language is not None and chosen and language not in known:
        raise BusinessFileError(
            f"{business.slug}: no message is written in {language!r}. Choose one of: {', '.join(known)}."
        )
    return chosen if language is None else [one for one in chosen if one.message and language in one.message.text]


def _first(rows: Iterable[Mapping[str, Any]], limit: int) -> Iterator[Preview]:
    shown: dict[str, int] = {}
    for row in rows:
        action = row["action"]
        shown[action] = shown.get(action, 0) + 1
        if shown[action] <= limit:
            yield Preview(
                row.get("shown_as") or masked_id(row["customer_id"]),
                row["campaign"],
                action,
                row["channel"],
                row["subject"],
                row["message"],
            )


def _counted(rows: Iterable[Mapping[str, Any]]) -> tuple[WithheldCount, ...]:
    groups: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        key = (row["action"], row["missing_field"], row["withheld_because"])
        groups.setdefault(key, []).append(masked_id(row["customer_id"]))
    return tuple(
        WithheldCount(*key, len(customers), tuple(customers[:_EXAMPLES])) for key, customers in sorted(groups.items())
    )
