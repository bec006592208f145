"""The layers of the holdout, and how a unit is drawn in each: a keyed hash, without state, seed or order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from holdback.business import Business, Campaign
from holdback.errors import BusinessFileError

_KEY_BYTES: Final = 64  # the longest key that BLAKE2b takes


class Group(StrEnum):
    """What a unit was assigned to in a layer."""

    TREATMENT = "treatment"
    HOLDOUT = "holdout"


@dataclass(frozen=True)
class Layer:
    """One split of the units into treatment and holdout.

    Args:
        name: ``global``, or the campaign's name.
        campaign: None in the global layer.
        version: A new version draws anew; the groups of the old one stay in the ledger.
        salt: Key of the draw; no two layers or versions share one.
        holdout_share: Share of units held out, in [0, 1].

    Raises:
        BusinessFileError: the share is outside [0, 1].
    """

    name: str
    campaign: str | None
    version: int
    salt: str
    holdout_share: float

    def __post_init__(self) -> None:
        _check_share(f"holdout {self.name}/{self.version}", self.holdout_share)


def global_layer(business: Business, as_of: date) -> Layer:
    """Return the layer of those whom nothing contacts; it is drawn anew on each day of ``holdout.rotates_on``."""
    version = business.holdout.version(as_of)
    return Layer("global", None, version, f"{business.slug}/global/{version}", business.holdout.global_share)


def campaign_layer(business: Business, campaign: Campaign) -> Layer:
    """Return the layer of one campaign, with its own share if it states one."""
    stated = campaign.holdout_share
    share = business.holdout.campaign_share if stated is None else stated
    salt = f"{business.slug}/{campaign.name}/{campaign.version}"
    return Layer(campaign.name, campaign.name, campaign.version, salt, share)


def draw(unit_ids: pa.Array | pa.ChunkedArray, *, salt: str) -> npt.NDArray[np.float64]:
    """Return one number in [0, 1) per unit, as good as uniform, for ever the same for this salt and unit.

    The first 53 bits of ``BLAKE2b(unit_id, key=salt)`` of 8 bytes, divided by 2^53; a salt longer than the 64 bytes
    that BLAKE2b takes is hashed first (as HMAC does, RFC 2104). Source: RFC 7693.

    Args:
        unit_ids: Text, as it stands in the warehouse.
        salt: Names what is drawn; another salt draws independently.

    Examples:
        >>> draw(pa.array(["c-001", "c-002"]), salt="spring/1").round(6).tolist()
        [0.576375, 0.212066]
    """
    key = salt.encode()
    keyed = blake2b(key=key if len(key) <= _KEY_BYTES else blake2b(key).digest(), digest_size=8)
    digests = bytearray()
    for unit_id in unit_ids.to_pylist():
        hashed = keyed.copy()
        hashed.update(unit_id.encode())
        digests += hashed.digest()
    bits = np.frombuffer(bytes(digests), dtype=">u8").astype(np.uint64) >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53


def assign_group(unit_id: str, *, salt: str, holdout_share: float) -> Group:
    """Assign one unit to ``holdout`` or ``treatment``, for as long as the salt lives.

    A pure function of ``(salt, unit_id)``: no state, no clock, no seed, so a rerun, a backfill and
    another engine agree. Growing ``holdout_share`` moves nobody out of the holdout.

    Args:
        unit_id: Randomisation unit as it stands in the warehouse (:func:`campaigns.units.contact_units`).
        salt: Names the layer and its version; a new salt draws a new, independent split.
        holdout_share: Share of units held out, in [0, 1].

    Raises:
        BusinessFileError: ``holdout_share`` is outside [0, 1].

    Examples:
        >>> assign_group("c-001", salt="spring/1", holdout_share=0.0)
        <Group.TREATMENT: 'treatment'>
        >>> assign_group("c-001", salt="spring/1", holdout_share=1.0)
        <Group.HOLDOUT: 'holdout'>
    """
    _check_share(f"salt {salt}", holdout_share)
    return Group.HOLDOUT if draw(pa.array([unit_id]), salt=salt)[0] < holdout_share else Group.TREATMENT


def _check_share(where: str, share: float) -> None:
    if not 0.0 <= share <= 1.0:
        raise BusinessFileError(
            f"{where}: the holdout's share is {share!r}. It must be from 0 to 1. Mend it in the business file."
        )
