"""From the endpoint list of a dial request to the endpoint objects of the message.

Pure. The shell reads documents in two goes, all of a go together: `wanted_documents`, then
`further_documents` of what came; then `resolve`. Source: dial.md 2-4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from .endpoints_context import (
    RICH_MODULE,
    DialContext,
    EndpointConfig,
    JSONObject,
    is_false,
    is_true,
    object_at,
    text_at,
    value_at,
)
from .endpoints_merge import hotdesk_users, merge_endpoint, merged_call_forward
from .endpoints_numbers import as_dialled
from .endpoints_rich import (
    forwarded_endpoint,
    is_forwarded,
    push_endpoint,
    rich_endpoint,
    skype_endpoint,
)
from .endpoints_texts import FieldRefused, checked_leg
from .endpoints_thin import thin_endpoint
from .endpoints_uri import is_sip_uri, parse_sip_uri
from .isolation import is_document_id
from .media import MediaRefused
from .patterns import BudgetSpent

#: A text of exactly this many bytes is a document's id.
DOCUMENT_ID_BYTES: Final = 32

Document = Mapping[str, Any]
#: A validation error: path to rule to details, as the envelope shows it.
Errors = dict[str, dict[str, dict[str, Any]]]

_BUILDABLE_TYPES: Final = frozenset({"device", "user", "account", "click2call", "conference"})
_SIP_DEVICE_TYPES: Final = frozenset({"smartphone", "softphone", "cellphone", "landline", "fax", "user"})
_KNOWN_KINDS: Final = frozenset({"skype", "mobile", "push"})
_GUESSES: Final = ("mobile", "sip", "skype")

NOT_AN_ENDPOINT: Final = "Value not a number, device or user ID, or SIP endpoint"
TOO_MUCH_WORK: Final = "the settings and formatters of these endpoints are too much work together"
NOTHING_ROUTABLE: Final = "endpoints failed to resolve to route-able destinations"


@dataclass(frozen=True, slots=True)
class Skipped:
    """An element that gave no leg and no error: its position from 1, and why (for logs and dry runs)."""

    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a list of elements became. Nothing is dialled when there is any error.

    ``positions``: of which element each endpoint is, from 1: Kazoo sends them in an order of its own.
    ``refused_media``: music on hold of an element that the account may not have played.
    """

    endpoints: tuple[dict[str, Any], ...] = ()
    positions: tuple[int, ...] = ()
    errors: Errors = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    #: Music on hold that may not be played.
    refused_media: tuple[str, ...] = ()


class _Refused(Exception):
    """This element gives no leg."""


def wanted_documents(elements: Sequence[Any], conference: Document | None) -> frozenset[str]:
    """The ids to read first: every id in the list, and the owners that are known already.

    The account's own document is wanted as well, under the account id; callers have it.
    """
    wanted = {element for element in elements if isinstance(element, str) and _is_reference(element)}
    owners = [conference, *(element for element in elements if isinstance(element, Mapping))]
    return frozenset(wanted.union(*(_owners(document) for document in owners if document)))


def further_documents(documents: Mapping[str, Document]) -> frozenset[str]:
    """The ids to read after that: owners and hotdesk users that are not there yet."""
    wanted: set[str] = set()
    for document in documents.values():
        wanted |= _owners(document)
    return frozenset(wanted - documents.keys())


def resolve(
    elements: Sequence[Any],
    documents: Mapping[str, Document],
    *,
    account_id: str,
    conference_id: str,
    conference: Document | None,
    config: EndpointConfig | None = None,
) -> Resolved:
    """Turn the elements of a valid dial request into endpoint objects.

    ``documents`` holds by id what was read, the account's document included; ``conference`` is
    the stored one, ``None`` when ad-hoc. Inline devices have their schema's defaults already.
    """
    context = DialContext(account_id, conference_id, conference, documents, config or EndpointConfig())
    endpoints: list[tuple[int, dict[str, Any]]] = []
    errors: Errors = {}
    skipped: list[Skipped] = []
    refused_media: list[str] = []
    known: dict[str, list[dict[str, Any]]] = {}
    for position, element in enumerate(elements, 1):
        try:
            if isinstance(element, Mapping):
                endpoints += [(position, leg) for leg in _inline_legs(element, context)]
            elif isinstance(element, str) and _is_reference(element):
                # A device that is named again is no more work, but as much to send.
                if element in known:
                    for leg in known[element]:
                        context.budget.spend_leg(leg)
                else:
                    known[element] = _document_legs(element, context)
                endpoints += [(position, leg) for leg in known[element]]
            else:
                # Addresses come out in front of what is there, ids behind (dial.md 2.1).
                leg = _address_leg(element, context, f"data.endpoints.{position}", errors)
                endpoints.insert(0, (position, leg))
        except _Refused as refused:
            skipped.append(Skipped(position, str(refused)))
        except FieldRefused as refused:
            errors[f"data.endpoints.{position}.{refused.field}"] = _wrong_format(refused, element)
        except MediaRefused as media:
            refused_media.append(media.text)
        except BudgetSpent:
            errors[f"data.endpoints.{position}"] = {"maximum": {"message": TOO_MUCH_WORK}}
            break
    if not endpoints:
        errors["data.endpoints"] = nothing_routable()
    return Resolved(
        tuple(leg for _, leg in endpoints),
        tuple(position for position, _ in endpoints),
        errors,
        tuple(skipped),
        tuple(dict.fromkeys(refused_media)),
    )


def nothing_routable() -> dict[str, dict[str, Any]]:
    """The error that no element could be dialled; schema errors bring it along too (dial.md 4)."""
    return {"minItems": {"message": NOTHING_ROUTABLE, "target": 1}}


def _is_reference(text: str) -> bool:
    return len(text.encode("utf-8", "replace")) == DOCUMENT_ID_BYTES and not is_sip_uri(text)


def _owners(document: Document) -> set[str]:
    ids = {*hotdesk_users(document), text_at(document, "owner_id") or ""}
    return {owner for owner in ids if is_document_id(owner)}


def _address_leg(element: Any, context: DialContext, path: str, errors: Errors) -> dict[str, Any]:
    if isinstance(element, str) and is_sip_uri(element):
        return _sip_leg(element, context, path, errors)
    number = as_dialled(element) if isinstance(element, str) else None
    if number is None:
        errors[path] = {"enum": {"message": NOT_AN_ENDPOINT}}
        raise _Refused("no number, id or address")
    if context.realm is None:
        errors[path] = _not_found(f"ID {element} not found")
        raise _Refused("the account has no realm")
    uri = f"{number}@{context.realm}"
    leg = {
        "Invite-Format": "loopback",
        "Route": number,
        "To-DID": number,
        "To-Realm": context.realm,
        "Simplify-Loopback": True,
        "Custom-Channel-Vars": {
            "Account-ID": context.account_id,
            "Authorizing-Type": "conference",
            "Authorizing-ID": context.conference_id,
            "Loopback-Request-URI": uri,
            "Request-URI": uri,
            "Require-Ignore-Early-Media": "true",
            "Ignore-Early-Media": "true",
        },
    }
    return checked_leg(leg, {}, context.budget, is_stored=True)


def _sip_leg(text: str, context: DialContext, path: str, errors: Errors) -> dict[str, Any]:
    uri = parse_sip_uri(text)
    if uri is None:
        errors[path] = _not_found(f"URI {text} is invalid")
        raise _Refused("not a SIP URI")
    sip = {"invite_format": "route", "route": uri.route, "realm": uri.domain, "username": uri.user}
    # ecallmgr takes the scheme off; what "sips" asks for is kept as the transport.
    device = {"sip": {**sip, "transport": "tls"} if uri.is_secure else sip}
    return checked_leg(rich_endpoint(device, context), device, context.budget, is_stored=False)


def _wrong_format(refused: FieldRefused, element: Any) -> dict[str, dict[str, Any]]:
    if isinstance(element, Mapping):
        return {"wrong_format": {"message": f"Value {refused.why}", "value": refused.value}}
    # Whoever dials a stored document need not be allowed to read it.
    return {"wrong_format": {"message": f"Value in {element[:64]}, or in what it inherits, {refused.why}"}}


def _not_found(message: str) -> dict[str, dict[str, Any]]:
    return {"not_found": {"message": message}}


def _inline_legs(element: JSONObject, context: DialContext) -> list[dict[str, Any]]:
    # Private fields would let a request name another account; only the store writes them.
    device = {key: value for key, value in element.items() if not key.startswith(("pvt_", "_"))}
    device["id"] = text_at(element, "id") or uuid4().hex
    if is_false(device.get("enabled")):
        raise _Refused("disabled")
    if is_true(value_at(device, "do_not_disturb", "enabled")):
        raise _Refused("do not disturb")
    device["outbound_flags"] = None
    legs = _rich_legs(device, context)
    return [checked_leg(leg, device, context.budget, is_stored=False) for leg in legs]


def _document_legs(document_id: str, context: DialContext) -> list[dict[str, Any]]:
    document = context.documents.get(document_id)
    if document is None or text_at(document, "pvt_type") not in _BUILDABLE_TYPES:
        raise _Refused("no such device or user")
    if is_true(document.get("pvt_deleted")):
        raise _Refused("deleted")
    if is_false(document.get("enabled")):
        raise _Refused("disabled")
    if document_id == context.conference_id:
        raise _Refused("the conference itself")
    merged = merge_endpoint(document, document_id, context)
    if merged["do_not_disturb"]["enabled"]:
        raise _Refused("do not disturb")
    if context.config.endpoint_module == RICH_MODULE:
        merged["call_forward"] = merged_call_forward(document, context)
        legs = _rich_legs(merged, context)
    elif (kind := _kind(merged, context)) == "sip":
        legs = [thin_endpoint(merged, context)]
    else:
        legs = _other_legs(kind, merged, context)
    return [checked_leg(leg, merged, context.budget, is_stored=True) for leg in legs]


def _rich_legs(endpoint: JSONObject, context: DialContext) -> list[dict[str, Any]]:
    kind = _kind(endpoint, context)
    if kind != "sip":
        return _other_legs(kind, endpoint, context)
    if endpoint.get("pvt_type") == "user":
        # A user has no address of its own, and the rich form does not look for the user's devices.
        raise _Refused("a user has no address")
    legs = []
    forwarded = is_forwarded(endpoint)
    if forwarded:
        legs.append(forwarded_endpoint(endpoint, context))
    if not forwarded or not is_true(value_at(endpoint, "call_forward", "substitute")):
        legs.append(rich_endpoint(endpoint, context))
    return legs


def _other_legs(kind: str, endpoint: JSONObject, context: DialContext) -> list[dict[str, Any]]:
    if kind == "push":
        leg = push_endpoint(endpoint, context)
        if leg is None:
            raise _Refused("push without a user or proxy")
        return [leg]
    if kind == "skype":
        return [skype_endpoint(endpoint)]
    # Kazoo's core crashes on mobile devices and skips them (dial.md 2.3).
    raise _Refused(f"{kind} devices cannot be dialled")


def _kind(endpoint: JSONObject, context: DialContext) -> str:
    if endpoint.get("pvt_type") == "user":
        return "sip"
    if object_at(endpoint, "push"):
        return "push"
    named = text_at(endpoint, "endpoint_type") or text_at(endpoint, "device_type") or ""
    if named in _SIP_DEVICE_TYPES or named.startswith("sip_"):
        return "sip"
    if named in _KNOWN_KINDS:
        return named
    if context.config.restrict_to_known_types:
        return "unknown"
    return next((guess for guess in _GUESSES if object_at(endpoint, guess)), "unknown")
