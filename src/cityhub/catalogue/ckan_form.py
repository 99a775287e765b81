"""Datasets, agencies and themes in the form of CKAN's packages, organizations and groups, and back.

The way there and back changes nothing: what CKAN has no member for stands in "extras" under the names of `EXTRAS`; members of a
resource that the catalogue does not know are kept as they came.

Source: CKAN 2.11, API guide, `ckan.logic.schema` and `ckan.lib.dictization`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from uuid import uuid4

import msgspec
import orjson

from cityhub.catalogue.ckan_errors import ValidationError
from cityhub.catalogue.licences import find_licence
from cityhub.catalogue.model import Agency, Dataset, Distribution, Field, Relation, Rule, Theme, in_language
from cityhub.catalogue.register import Contents

Package = dict[str, Any]
Group = TypeVar("Group", Agency, Theme)

EXTRAS: Final[dict[str, str]] = {
    "resource_code": "code", "category": "category", "item": "item", "resource_format": "format", "share_type": "share",
    "share_condition": "share_condition", "share_method": "share_method", "open": "open", "open_condition": "open_condition",
    "update_cycle": "cycle", "update_period_s": "period_s", "issued": "issued", "related_resource_codes": "related", "data_grade": "grade",
    "simulated": "simulated", "spatial": "bbox", "information_items": "fields", "quality_rules": "rules", "source": "source",
}  # fmt: skip
"""The key of an extra, and the member of `Dataset` that it holds."""
_TRANSLATED: Final = {"title_en": "title", "notes_en": "description"}
_JSON: Final = frozenset(("related", "bbox", "fields", "rules", "period_s", "open", "simulated"))
_LISTS: Final[dict[str, Any]] = {"fields": list[Field], "rules": list[Rule], "related": list[str]}
_RESOURCE: Final = {
    "id": "id",
    "name": "name",
    "description": "description",
    "format": "format",
    "mimetype": "media_type",
    "size": "size",
    "hash": "hash",
}
_PLAIN: Final = {
    "author": "author", "author_email": "author_email", "maintainer": "contact", "maintainer_email": "contact_email", "url": "url",
    "version": "version", "type": "type", "private": "private",
}  # fmt: skip
_MADE: Final = frozenset((
    "package_id", "position", "state", "created", "last_modified", "metadata_modified", "resource_type", "datastore_active", "url",
    "cache_url", "cache_last_updated", "mimetype_inner", "url_type", "revision_id",
))  # fmt: skip
MAX_EXTRAS: Final = 200


def time_text(time: str) -> str | None:
    """A time as CKAN writes it, without zone; None for none."""
    return time.removesuffix("Z") or None


def package_of(dataset: Dataset, contents: Contents, base: str) -> Package:
    """A dataset as CKAN shows it."""
    licence = find_licence(dataset.licence)
    owner = contents.agencies.find(dataset.owner)
    resources = [resource_of(dataset, item, position, base) for position, item in enumerate(dataset.distributions)]
    extras = {**dataset.extras, **_extras(dataset)}
    return {
        "id": dataset.id,
        "name": dataset.name,
        "title": in_language(dataset.title),
        "notes": in_language(dataset.description),
        **{name: getattr(dataset, member) for name, member in _PLAIN.items()},
        "creator_user_id": None,
        "isopen": licence.is_open,
        "license_id": dataset.licence,
        "license_title": in_language(licence.title),
        **({"license_url": licence.url} if licence.url else {}),
        "metadata_created": time_text(dataset.created),
        "metadata_modified": time_text(dataset.modified),
        "num_resources": len(resources),
        "num_tags": len(dataset.tags),
        "organization": None if owner is None else _owner(owner),
        "owner_org": dataset.owner or None,
        "state": dataset.state,
        "extras": [{"key": key, "value": extras[key]} for key in sorted(extras)],
        "groups": [_group(theme) for name in dataset.themes if (theme := contents.themes.find(name)) is not None],
        "resources": resources,
        "tags": [{"display_name": tag, "id": tag, "name": tag, "state": "active", "vocabulary_id": None} for tag in dataset.tags],
        "relationships_as_subject": [relationship_form(dataset, relation) for relation in dataset.relations],
        "relationships_as_object": [],
    }


def resource_of(dataset: Dataset, item: Distribution, position: int, base: str) -> Package:
    """A distribution as CKAN shows it."""
    return {
        **dict.fromkeys(sorted(_KEPT)),
        **item.extras,
        **{name: getattr(item, member) for name, member in _RESOURCE.items()},
        "url": base + item.url if item.url.startswith("/") else item.url,
        "mimetype": item.media_type or None,
        "created": time_text(item.created or dataset.created),
        "metadata_modified": time_text(item.modified or dataset.modified),
        "datastore_active": has_rows(dataset, item),
        "package_id": dataset.id,
        "position": position,
        "state": "active",
    }  # fmt: skip


def has_rows(dataset: Dataset, item: Distribution) -> bool:
    """Whether `datastore_search` answers for a distribution: it is a table of a dataset whose rows the hub has."""
    return item.format.upper() == "CSV" and not item.service and dataset.origin is not None and dataset.origin.kind != "feed"


def dataset_of(package: Mapping[str, Any], known: Dataset | None, contents: Contents, base: str) -> Dataset:
    """The dataset that a package means; what the package leaves out is empty, as in CKAN's `package_update`.

    Raises:
        ValidationError: Something in it cannot be; says what, by member.
    """
    errors: dict[str, Any] = {}
    extras = _read_extras(package.get("extras"), errors)
    for name in ("name",):
        if not package.get(name):
            errors[name] = ["Missing value"]
    # A resource without times of its own shows those of its dataset, so these say nothing of it.
    unsaid = {_given_time(package.get("metadata_created")), _given_time(package.get("metadata_modified"))}
    unsaid |= {known.created, known.modified} if known else set()
    document: dict[str, Any] = {
        "id": str(package.get("id") or (known.id if known else uuid4())),
        "name": package.get("name"),
        "licence": str(package.get("license_id") or "notspecified"),
        "owner": _owner_id(package, contents, errors),
        "themes": _theme_names(package.get("groups"), contents, errors),
        "tags": _tag_names(package, errors),
        "created": _given_time(package.get("metadata_created")),
        "modified": _given_time(package.get("metadata_modified")),
        "state": package.get("state") or "active",
        "distributions": [_distribution(item, known, unsaid, base) for item in _objects(package.get("resources"), "resources", errors)],
        "relations": [
            {"type": item.get("type"), "object": item.get("object"), "comment": item.get("comment") or ""}
            for item in _objects(package.get("relationships_as_subject"), "relationships_as_subject", errors)
        ],
    }
    for name, member in _PLAIN.items():
        if package.get(name) not in (None, ""):
            document[member] = package[name]
    for language, title, notes in (("zh", "title", "notes"), ("en", "title_en", "notes_en")):
        for name, member in ((title, "title"), (notes, "description")):
            text = package.get(name) if language == "zh" else extras.pop(name, None)
            if text:
                document.setdefault(member, {})[language] = text
    document = {**_known_members(known, document), **document, **_national(extras, errors)}
    document["extras"] = extras
    if errors:
        raise ValidationError(errors)
    try:
        return msgspec.convert(document, Dataset)
    except msgspec.ValidationError as error:
        raise ValidationError(_fault(str(error))) from None


def agency_form(agency: Agency, count: int) -> Package:
    """An agency as CKAN's organization."""
    return {**_group_form(agency, count), "is_organization": True, "extras": _shown_extras({
        **agency.extras, **({"code": agency.code} if agency.code else {}), **({"entity": agency.entity} if agency.entity else {}),
        **_translations(agency),
    })}  # fmt: skip


def theme_form(theme: Theme, count: int) -> Package:
    """A theme as CKAN's group."""
    return {**_group_form(theme, count), "is_organization": False, "extras": _shown_extras({
        **theme.extras, **({"concept": theme.concept} if theme.concept else {}), **({"item": theme.item} if theme.item else {}),
        **_translations(theme),
    })}  # fmt: skip


def agency_of(form: Mapping[str, Any], known: Agency | None) -> Agency:
    """The agency that an organization means. Raises ValidationError."""
    document = _group_document(form, known, ("code", "entity"))
    return _converted(document, Agency)


def theme_of(form: Mapping[str, Any], known: Theme | None) -> Theme:
    """The theme that a group means. Raises ValidationError."""
    return _converted(_group_document(form, known, ("concept", "item")), Theme)


def _group_form(record: Agency | Theme, count: int) -> Package:
    title = in_language(record.title)
    return {
        "approval_status": "approved", "created": time_text(record.created), "description": in_language(record.description),
        "display_name": title or record.name, "groups": [], "id": record.id, "image_display_url": record.image_url,
        "image_url": record.image_url, "name": record.name, "num_followers": 0, "package_count": count, "state": record.state, "tags": [],
        "title": title, "type": record.type, "users": [],
    }  # fmt: skip


def _translations(record: Agency | Theme) -> dict[str, str]:
    found = {"title_en": record.title.get("en", ""), "description_en": record.description.get("en", "")}
    return {
        key: text for key, text in found.items() if text and in_language(record.title if key == "title_en" else record.description) != text
    }


def _shown_extras(extras: Mapping[str, Any]) -> list[Package]:
    return [{"key": key, "value": extras[key], "state": "active"} for key in sorted(extras)]


def _group_document(form: Mapping[str, Any], known: Agency | Theme | None, members: tuple[str, ...]) -> dict[str, Any]:
    errors: dict[str, Any] = {}
    extras = _read_extras(form.get("extras"), errors)
    if not form.get("name"):
        errors["name"] = ["Missing value"]
    if errors:
        raise ValidationError(errors)
    document: dict[str, Any] = {"id": str(form.get("id") or (known.id if known else uuid4())), "name": form.get("name")}
    for name in ("image_url", "type", "state"):
        if form.get(name):
            document[name] = form[name]
    for name in members:
        if name in extras:
            document[name] = extras.pop(name)
    for member in ("title", "description"):
        texts = {"zh": form.get(member), "en": extras.pop(f"{member}_en", None)}
        document[member] = {language: text for language, text in texts.items() if text}
    return {**document, "created": _given_time(form.get("created")) or (known.created if known else ""), "extras": extras}


def _converted(document: dict[str, Any], kind: type[Group]) -> Group:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise ValidationError(_fault(str(error))) from None


def _extras(dataset: Dataset) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, member in EXTRAS.items():
        value = getattr(dataset, member)
        if value in ("", None, []):
            continue
        found[key] = _json(value) if member in _JSON else str(value)
    for key, member in _TRANSLATED.items():
        text = getattr(dataset, member).get("en", "")
        if text and "zh" in getattr(dataset, member):
            found[key] = text
    return found


def _json(value: Any) -> str:
    return orjson.dumps(msgspec.to_builtins(value), option=orjson.OPT_SORT_KEYS).decode()


def _national(extras: dict[str, Any], errors: dict[str, Any]) -> dict[str, Any]:
    """The members that stand in known extras, which are taken out of them."""
    found: dict[str, Any] = {}
    for key, member in EXTRAS.items():
        if key not in extras:
            continue
        value = extras.pop(key)
        if member in _JSON:
            try:
                value = orjson.loads(str(value))
            except orjson.JSONDecodeError:
                if member in ("bbox",):  # other portals put a geometry or a name of a place there
                    extras[key] = value
                else:
                    errors.setdefault("extras", []).append(f"'{key}' must be JSON, not '{str(value)[:80]}'")
                continue
            if member == "bbox" and not isinstance(value, list):
                extras[key] = _json(value)
                continue
        found[member] = value
    return found


def _read_extras(given: Any, errors: dict[str, Any]) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    for item in _objects(given, "extras", errors)[:MAX_EXTRAS]:
        key = item.get("key")
        if not isinstance(key, str) or not key:
            errors["extras"] = ["Each extra must have a 'key'"]
        elif key in extras:
            errors["extras"] = [f"There is a duplicate key '{key}'"]
        elif item.get("value") is not None and not item.get("deleted"):
            extras[key] = item["value"]
    return extras


def _objects(value: Any, name: str, errors: dict[str, Any]) -> list[dict[str, Any]]:
    if value in (None, ""):
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        errors[name] = ["Must be a list of objects"]
        return []
    return value


def _owner_id(package: Mapping[str, Any], contents: Contents, errors: dict[str, Any]) -> str:
    given = package.get("owner_org")
    organization = package.get("organization")
    if given in (None, "") and isinstance(organization, dict) and "owner_org" not in package:
        given = organization.get("id") or organization.get("name")
    if given in (None, ""):
        return ""
    owner = contents.agencies.find(str(given))
    if owner is None and isinstance(organization, dict):
        owner = contents.agencies.find(str(organization.get("name")))
    if owner is None:
        errors["owner_org"] = ["Organization does not exist"]
        return ""
    return owner.id


def _theme_names(given: Any, contents: Contents, errors: dict[str, Any]) -> list[str]:
    names: set[str] = set()
    for item in _objects(given, "groups", errors):
        theme = contents.themes.find(str(item.get("id") or "")) or contents.themes.find(str(item.get("name") or ""))
        if theme is None:
            errors["groups"] = [f"Group '{item.get('name') or item.get('id')}' does not exist"]
        else:
            names.add(theme.name)
    return sorted(names)


def _tag_names(package: Mapping[str, Any], errors: dict[str, Any]) -> list[str]:
    names = {str(item.get("name") or "").strip() for item in _objects(package.get("tags"), "tags", errors)}
    if isinstance(package.get("tag_string"), str):
        names |= {tag.strip() for tag in package["tag_string"].split(",")}
    for name in names:
        if len(name) > 100:
            errors["tags"] = [f"Tag '{name[:100]}' is longer than 100 characters"]
    return sorted(names - {""})


def _given_time(value: Any) -> str:
    return f"{value.removesuffix('Z')}Z" if isinstance(value, str) and value else ""


def _distribution(item: Mapping[str, Any], known: Dataset | None, unsaid: set[str], base: str) -> dict[str, Any]:
    id = str(item.get("id") or uuid4())
    before = next((one for one in known.distributions if one.id == id), None) if known else None
    url = str(item.get("url") or "")
    created, modified = _given_time(item.get("created")), _given_time(item.get("metadata_modified"))
    given = {member: item[name] for name, member in _RESOURCE.items() if item.get(name) not in (None, "")}
    extras = {
        name: value
        for name, value in item.items()
        if name not in _RESOURCE and (name not in _MADE or (name in _KEPT and value not in (None, "")))
    }
    return {
        **given,
        "id": id,
        "url": url.removeprefix(base) if base and url.startswith(base + "/") else url,
        "service": before.service if before else False,
        "created": "" if created in unsaid else created,
        "modified": "" if modified in unsaid else modified,
        "extras": extras,
    }


_KEPT: Final = frozenset(("last_modified", "resource_type", "cache_url", "cache_last_updated", "mimetype_inner", "url_type"))


def _known_members(known: Dataset | None, document: dict[str, Any]) -> dict[str, Any]:
    """What a package cannot say, as it is."""
    if known is None:
        return {}
    kept: dict[str, Any] = {"origin": known.origin, "available": known.available, "statement": known.statement, "upstream": known.upstream}
    for member in ("title", "description"):
        others = {language: text for language, text in getattr(known, member).items() if language not in ("zh", "en")}
        if others:
            document[member] = {**others, **document.get(member, {})}
    return {name: msgspec.to_builtins(value) for name, value in kept.items()}


def _owner(agency: Agency) -> Package:
    return {
        "id": agency.id, "name": agency.name, "title": in_language(agency.title), "type": agency.type,
        "description": in_language(agency.description), "image_url": agency.image_url, "created": time_text(agency.created),
        "is_organization": True, "approval_status": "approved", "state": agency.state,
    }  # fmt: skip


def _group(theme: Theme) -> Package:
    title = in_language(theme.title)
    return {
        "description": in_language(theme.description), "display_name": title or theme.name, "id": theme.id,
        "image_display_url": theme.image_url, "name": theme.name, "title": title,
    }  # fmt: skip


def relationship_form(dataset: Dataset, relation: Relation) -> Package:
    """A relation as CKAN shows it."""
    return {"subject": dataset.id, "object": relation.object, "type": relation.type, "comment": relation.comment}


def _fault(text: str) -> dict[str, Any]:
    """A fault of the model by CKAN's name of the member: 'Object missing field `name`', '... - at `$.share`'."""
    _, _, place = text.partition(" - at `$.")
    member = place.rstrip("`").replace("[...]", "").partition(".")[0].partition("[")[0]
    names = {member: name for name, member in (*EXTRAS.items(), *_PLAIN.items(), *_RESOURCE.items())}
    names |= {"name": "name", "title": "title", "description": "notes", "licence": "license_id", "distributions": "resources"}
    if member == "name":
        return {"name": [
            "Must be purely lowercase alphanumeric (ascii) characters and these symbols: -_, and 2 to 100 characters long",
        ]}  # fmt: skip
    return {names.get(member, member or "name"): [text.partition(" - at ")[0]]}
