"""Where the frozen copy of a snapshot is kept: a tenant of the store that no caller can name.

Source: GS CIM 009 V1.9.1, clauses 4.3.7 and 5.5.15.
"""

from __future__ import annotations

from cityhub.model.ports import INTERNAL


def snapshot_tenant(mark: str, tenant: str, id: str) -> str:
    """The store's tenant of a snapshot; `mark` tells it from an earlier snapshot with the same id.

    >>> snapshot_tenant("4f", "water", "urn:s:1")
    '/4f/water/urn:s:1'
    """
    return f"{INTERNAL}{mark}/{tenant}/{id}"


def owner_of(tenant: str) -> tuple[str, str | None]:
    """The tenant as callers know it, and the snapshot that it stands for, if it is one.

    >>> owner_of("/4f/water/urn:s:1"), owner_of("water")
    (('water', 'urn:s:1'), ('water', None))
    """
    if not tenant.startswith(INTERNAL):
        return tenant, None
    _, _, owner, id = tenant.split("/", 3)
    return owner, id
