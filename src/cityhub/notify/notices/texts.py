"""What is said and by which policy: templates and the policy in versions, brought by the district and edited by people."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from cityhub.model.errors import NotFound
from cityhub.model.ports import Store
from cityhub.notify.notices.policy import Policy, check_policy
from cityhub.notify.notices.template import Template, check_template
from cityhub.registers.district_files import DISTRICT, DistrictFiles
from cityhub.registers.reading import decoded
from cityhub.registers.versioned import Deed, Kind, VersionedRegister

MOST_BYTES: Final = 64 * 1024
TEMPLATE: Final = Kind("template", "notice_template", Template, 500)
POLICY: Final = Kind("policy", "notice_policy", Policy, 1)


class Texts:
    """Templates and the policy.

    Args:
        store: Where they are kept.
        folder: The district's folder with `templates/*.yaml` and `notices/*.yaml`; None: none.
    """

    def __init__(self, store: Store, folder: Path | None) -> None:
        self.templates: VersionedRegister[Template] = VersionedRegister(TEMPLATE, store)
        self.policies: VersionedRegister[Policy] = VersionedRegister(POLICY, store)
        self._files: list[DistrictFiles[Template] | DistrictFiles[Policy]] = []
        if folder is not None:
            self._files = [
                DistrictFiles(folder, "templates/*.yaml", lambda _, content: read_template(content), self.templates, MOST_BYTES),
                DistrictFiles(folder, "notices/policy.yaml", lambda _, content: read_policy(content), self.policies, MOST_BYTES),
            ]

    async def load(self) -> None:
        """Reads what is kept and takes the district's files; without one there is the usual policy."""
        await self.templates.load()
        await self.policies.load()
        for files in self._files:
            await files.load()
        if self.policies.record("policy") is None:
            await self.policies.create(Policy(), Deed(DISTRICT, "the usual policy"))

    @property
    def policy(self) -> Policy:
        """The policy as it is."""
        return self.policies.get("policy")

    def template(self, id: str) -> Template | None:
        """A template; None: there is none."""
        with suppress(NotFound):
            return self.templates.get(id)
        return None


def read_template(content: bytes) -> Template:
    """A template from YAML or JSON that has been checked. Raises BadRequestData."""
    template = decoded(content, Template, "template", MOST_BYTES)
    check_template(template)
    return template


def read_policy(content: bytes) -> Policy:
    """A policy from YAML or JSON that has been checked. Raises BadRequestData."""
    policy = decoded(content, Policy, "policy", MOST_BYTES)
    check_policy(policy)
    return policy
