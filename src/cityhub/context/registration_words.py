"""The words of registrations: modes, and the names of operations and of their groups.

Source: GS CIM 009 V1.9.1, clauses 4.20 (tables 4.20-1 and 4.20-2) and 5.2.9.
"""

from __future__ import annotations

from typing import Final

INCLUSIVE: Final = "inclusive"
EXCLUSIVE: Final = "exclusive"
REDIRECT: Final = "redirect"
AUXILIARY: Final = "auxiliary"
MODES: Final = (INCLUSIVE, EXCLUSIVE, REDIRECT, AUXILIARY)

_DISCOVERY: Final = (
    "retrieveEntityTypes", "retrieveEntityTypeDetails", "retrieveEntityTypeInfo", "retrieveAttrTypes", "retrieveAttrTypeDetails",
    "retrieveAttrTypeInfo",
)  # fmt: skip
_SUBSCRIPTION: Final = ("createSubscription", "updateSubscription", "retrieveSubscription", "querySubscription", "deleteSubscription")
_MAP: Final = (
    "createEntityMap", "updateEntityMap", "deleteEntityMap", "retrieveEntityMap", "createEntityMapTemporal",
    "updateEntityMapTemporal", "deleteEntityMapTemporal", "retrieveEntityMapTemporal",
)  # fmt: skip
_SNAPSHOT: Final = (
    "createSnapshot", "cloneSnapshot", "retrieveSnapshot", "updateSnapshot", "updateSnapshotStatus", "deleteSnapshot", "purgeSnapshots",
)  # fmt: skip
_TEMPORAL: Final = (
    "upsertTemporal", "appendAttrsTemporal", "deleteAttrsTemporal", "updateAttrsTemporal", "updateAttrInstanceTemporal",
    "deleteAttrInstanceTemporal", "deleteTemporal", "retrieveTemporal", "queryTemporal",
)  # fmt: skip
_WRITING: Final = (
    "createEntity", "updateEntity", "appendAttrs", "updateAttrs", "deleteAttrs", "deleteEntity", "mergeEntity", "replaceEntity",
    "replaceAttrs",
)  # fmt: skip
_BATCH: Final = ("createBatch", "upsertBatch", "updateBatch", "deleteBatch", "mergeBatch")

GROUPS: Final[dict[str, frozenset[str]]] = {
    "federationOps": frozenset(("retrieveEntity", "queryEntity", "queryBatch", *_DISCOVERY, *_SUBSCRIPTION, *_MAP, *_SNAPSHOT)),
    "updateOps": frozenset(("updateEntity", "updateAttrs", "replaceEntity", "replaceAttrs")),
    "retrieveOps": frozenset(("retrieveEntity", "queryEntity")),
    "redirectionOps": frozenset((*_WRITING, "purgeEntity", "retrieveEntity", "queryEntity", *_DISCOVERY)),
}
"""What each group of operations stands for."""
OPERATIONS: Final = frozenset((
    *_WRITING, *_BATCH, *_TEMPORAL, *_DISCOVERY, *_SUBSCRIPTION, *_MAP, *_SNAPSHOT, "purgeEntity", "retrieveEntity", "queryEntity",
    "queryBatch", "retrieveContextSourceIdentity",
))  # fmt: skip
"""The names of single operations."""
DEFAULT_OPERATIONS: Final = ("federationOps",)
AUXILIARY_OPERATIONS: Final = frozenset(("retrieveOps", "retrieveEntity", "queryEntity"))
"""What an auxiliary registration may offer (clause 5.9.2.4)."""


def single_operations(names: list[str] | tuple[str, ...]) -> frozenset[str]:
    """The single operations that names of operations and groups stand for."""
    return frozenset().union(*(GROUPS.get(name, frozenset((name,))) for name in names))
