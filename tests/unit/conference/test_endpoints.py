"""The worked examples of dial.md 9, one test each, and what lies between them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.endpoints import (
    NOT_AN_ENDPOINT,
    TOO_MUCH_WORK,
    Resolved,
    further_documents,
    nothing_routable,
    resolve,
    wanted_documents,
)
from crossbar_conferences.conference.endpoints_context import RICH_MODULE, EndpointConfig
from crossbar_conferences.conference.patterns import WorkBudget

A = "acct0000000000000000000000000001"
C = "conf0000000000000000000000000001"
U1 = "user0000000000000000000000000001"
D1 = "devc0000000000000000000000000001"
D2 = "devc0000000000000000000000000002"
REALM = "acme.sip.example.com"
RICH = EndpointConfig(endpoint_module=RICH_MODULE)

CONFERENCE = {"_id": C, "pvt_type": "conference", "name": "Weekly"}

DOCUMENTS: dict[str, dict[str, Any]] = {
    A: {
        "pvt_type": "account",
        "name": "Acme",
        "realm": REALM,
        "caller_id": {
            "internal": {"name": "Acme Inc", "number": "100"},
            "external": {"name": "Acme Ext", "number": "+14155550100"},
        },
        "outbound_flags": {"static": ["acct_flag"]},
    },
    U1: {
        "pvt_type": "user",
        "first_name": "Ann",
        "last_name": "Lee",
        "presence_id": "1001",
        "caller_id": {"internal": {"number": "1001"}},
    },
    D1: {
        "pvt_type": "device",
        "name": "Desk phone",
        "owner_id": U1,
        "device_type": "sip_device",
        "sip": {
            "username": "user_abc",
            "invite_format": "contact",
            "custom_sip_headers": {"in": {"X-In": 1}},
        },
        "caller_id": {"internal": {"name": "Desk", "number": "1001"}},
        "media": {
            "audio": {"codecs": ["PCMU", "PCMA"]},
            "encryption": {"methods": ["srtp"], "enforce_security": False},
            "fax_option": "auto",
            "ignore_early_media": True,
            "progress_timeout": 8,
        },
        "ringtones": {"internal": "Bellcore-dr2"},
        "music_on_hold": {"media_id": "moh123"},
        "metaflows": {"binding_digit": "*"},
        "outbound_flags": ["dev_flag"],
    },
    D2: {"pvt_type": "device", "device_type": "softphone", "sip": {"username": "plain1"}},
}

BASE = {
    "Invite-Format": "endpoint",
    "Account-ID": A,
    "Custom-Channel-Vars": {},
    "Endpoint-Actions": {},
    "Metaflows": {},
    "Privacy-Method": "kazoo",
    "Outbound-Caller-ID-Name": "Acme Inc",
    "Outbound-Caller-ID-Number": "100",
}

E1 = {
    **BASE,
    "Endpoint-ID": D2,
    "Endpoint-URI": f"{D2}@{A}",
    "Outbound-Callee-ID-Name": "Acme Inc",
    "Outbound-Callee-ID-Number": "100",
    "Presence-ID": f"plain1@{REALM}",
    "Flags": {"dynamic": [], "static": ["acct_flag"]},
}


def number_leg(
    number: str, conference_id: str = C, account_id: str = A, realm: str = REALM
) -> dict[str, Any]:
    return {
        "Invite-Format": "loopback",
        "Route": number,
        "To-DID": number,
        "To-Realm": REALM,
        "Simplify-Loopback": True,
        "Custom-Channel-Vars": {
            "Account-ID": A,
            "Authorizing-Type": "conference",
            "Authorizing-ID": C,
            "Loopback-Request-URI": f"{number}@{REALM}",
            "Request-URI": f"{number}@{REALM}",
            "Require-Ignore-Early-Media": "true",
            "Ignore-Early-Media": "true",
        },
    }


def resolved(
    *elements: Any,
    more: Mapping[str, Mapping[str, Any]] | None = None,
    conference: Mapping[str, Any] | None = CONFERENCE,
    conference_id: str = C,
    config: EndpointConfig | None = None,
) -> Resolved:
    return resolve(
        elements,
        {**DOCUMENTS, **(more or {})},
        account_id=A,
        conference_id=conference_id,
        conference=conference,
        config=config,
    )


def only(found: Resolved) -> dict[str, Any]:
    assert found.errors == {}
    (endpoint,) = found.endpoints
    return endpoint


def test_e1_device_without_owner() -> None:
    """A device without owner is a reference that shows the account's caller id."""
    assert only(resolved(D2)) == E1


def test_e2_owned_device() -> None:
    """An owner's generated name beats the device's, and codecs and headers stay out."""
    assert only(resolved(D1)) == {
        **BASE,
        "Endpoint-ID": D1,
        "Endpoint-URI": f"{D1}@{A}",
        "Outbound-Callee-ID-Name": "Ann Lee",
        "Outbound-Callee-ID-Number": "1001",
        "Presence-ID": f"1001@{REALM}",
        "Flags": {"dynamic": [], "static": ["acct_flag", "dev_flag"]},
        "Metaflows": {"binding_digit": "*"},
    }


def test_e3_user() -> None:
    """A user is one endpoint, however many devices it has."""
    assert only(resolved(U1)) == {
        **BASE,
        "Endpoint-ID": U1,
        "Endpoint-URI": f"{U1}@{A}",
        "Outbound-Callee-ID-Name": "Ann Lee",
        "Outbound-Callee-ID-Number": "1001",
        "Presence-ID": f"1001@{REALM}",
        "Flags": {"dynamic": [], "static": ["acct_flag"]},
    }


def test_e3_user_without_anything() -> None:
    """A user without number and presence id falls back to the account's number and ``nouser``."""
    user = "user0000000000000000000000000002"
    endpoint = only(resolved(user, more={user: {"pvt_type": "user", "first_name": "Bo", "last_name": "Ek"}}))
    assert endpoint["Outbound-Callee-ID-Number"] == "100"
    assert endpoint["Outbound-Callee-ID-Name"] == "Bo Ek"
    assert endpoint["Presence-ID"] == f"nouser@{REALM}"


def test_e4_a_user_is_not_expanded_into_devices() -> None:
    """Where the older generation gave a leg for each device, this one gives one for the user."""
    hotdesked = "devc0000000000000000000000000009"
    more = {hotdesked: {**DOCUMENTS[D2], "hotdesk": {"users": {U1: {}}}}}
    found = resolved(D1, hotdesked, U1, more=more)
    assert [endpoint["Endpoint-ID"] for endpoint in found.endpoints] == [D1, hotdesked, U1]
    assert found.endpoints[1]["Presence-ID"] == f"1001@{REALM}"
    assert found.endpoints[1]["Outbound-Callee-ID-Name"] == "Ann Lee"


UNDIALABLE: dict[str, dict[str, Any] | None] = {
    "disabled device": {**DOCUMENTS[D2], "enabled": False},
    "device that is not to be disturbed": {**DOCUMENTS[D2], "do_not_disturb": {"enabled": True}},
    "device of a user not to be disturbed": {**DOCUMENTS[D2], "owner_id": "busy0000000000000000000000000001"},
    "deleted device": {**DOCUMENTS[D2], "pvt_deleted": True},
    "device without an address": {"pvt_type": "device", "name": "empty"},
    "mobile device": {"pvt_type": "device", "device_type": "mobile", "mobile": {"mdn": "4155550100"}},
    "disabled user": {**DOCUMENTS[U1], "enabled": False},
    "voicemail box": {"pvt_type": "vmbox", "sip": {"username": "x"}},
    "group": {"pvt_type": "group"},
    "a list for a type": {"pvt_type": [], "sip": {"username": "x"}},
    "an object for a type": {"pvt_type": {"device": 1}, "sip": {"username": "x"}},
    "unknown id": None,
}


@pytest.mark.parametrize("kind", UNDIALABLE)
def test_e5_dropped_silently(kind: str) -> None:
    """What cannot be dialled vanishes: alone it is an error of the whole, beside a number it is nothing."""
    element = "someid00000000000000000000000001"
    document = UNDIALABLE[kind]
    more: dict[str, Any] = {
        "busy0000000000000000000000000001": {"pvt_type": "user", "do_not_disturb": {"enabled": True}}
    }
    if document is not None:
        more[element] = document
    alone = resolved(element, more=more)
    assert alone.endpoints == ()
    assert alone.errors == {"data.endpoints": nothing_routable()}
    assert alone.errors["data.endpoints"] == {
        "minItems": {"message": "endpoints failed to resolve to route-able destinations", "target": 1}
    }
    assert [skipped.position for skipped in alone.skipped] == [1]
    assert only(resolved(element, "1000", more=more)) == number_leg("1000")


def test_e5_account_and_conference_ids() -> None:
    """Neither the account nor the conference itself can be dialled."""
    found = resolved(A, C, more={C: {**CONFERENCE, "sip": {"username": "x"}}})
    assert found.endpoints == ()
    assert len(found.skipped) == 2


def test_e6_number() -> None:
    """An extension becomes a loopback leg with everything as typed."""
    assert only(resolved("1001")) == number_leg("1001")


def test_e7_ad_hoc_conference() -> None:
    """An ad-hoc conference shows no caller id of the account's."""
    endpoint = only(resolved(D2, conference=None, conference_id="my-adhoc"))
    assert endpoint == {
        **E1,
        "Outbound-Caller-ID-Name": "unknown",
        "Outbound-Caller-ID-Number": "anonymous",
    }


def test_e8_owned_conference() -> None:
    """A conference with an owner shows the owner's caller id."""
    endpoint = only(resolved(D2, conference={**CONFERENCE, "owner_id": U1}))
    assert endpoint == {**E1, "Outbound-Caller-ID-Name": "Ann Lee", "Outbound-Caller-ID-Number": "1001"}


def test_e9_fax() -> None:
    """A fax machine says which T.38 settings it wants."""
    fax = "devc00000000000000000000000000f1"
    document = {
        "pvt_type": "device",
        "device_type": "fax",
        "media": {"fax_option": True},
        "sip": {"username": "fax1"},
    }
    assert only(resolved(fax, more={fax: document})) == {
        **E1,
        "Endpoint-ID": fax,
        "Endpoint-URI": f"{fax}@{A}",
        "Presence-ID": f"fax1@{REALM}",
        "Enable-T38-Fax": True,
        "Enable-T38-Fax-Request": True,
        "Enable-T38-Gateway": "self",
    }
    plain = {fax: {**document, "media": {}}}
    stored = only(resolved(fax, more=plain))
    assert (stored["Enable-T38-Fax"], stored["Enable-T38-Passthrough"]) == (True, True)
    ad_hoc = only(resolved(fax, more=plain, conference=None, conference_id="my-adhoc"))
    assert (ad_hoc["Enable-T38-Fax"], ad_hoc["Enable-T38-Passthrough"]) == (False, False)


PUSH_ID = "devc00000000000000000000000000b4"
PUSH = {
    "pvt_type": "device",
    "sip": {"username": "pushu", "transport": "tls"},
    "push": {"Token-Proxy": "sip:proxy.example.com:5060", "Token-ID": "t1", "Token-Type": "apple"},
}


def test_e10_push() -> None:
    """A mobile app is woken through its push proxy."""
    assert only(resolved(PUSH_ID, more={PUSH_ID: PUSH})) == {
        "Invite-Format": "route",
        "Route": f"sip:pushu@{REALM};fs_path='sip:proxy.example.com:5060'",
        "To-User": f"pushu@{REALM}",
        "To-Username": "pushu",
        "To-Realm": REALM,
        "To-DID": "nouser",
        "SIP-Transport": "tls",
        "Endpoint-Delay": 5,
        "Endpoint-ID": PUSH_ID,
        "Account-ID": A,
        "Custom-SIP-Headers": {
            "X-KAZOO-AOR": f"sip:pushu@{REALM}",
            "X-KAZOO-INVITE-FORMAT": "contact",
            "X-KAZOO-PUSHER-Token-ID": "t1",
            "X-KAZOO-PUSHER-Token-Proxy": "sip:proxy.example.com:5060",
            "X-KAZOO-PUSHER-Token-Type": "apple",
            "X-KAZOO-PUSHER-Endpoint-ID": PUSH_ID,
            "X-KAZOO-PUSHER-Account-ID": A,
        },
        "Flags": {"dynamic": [], "static": ["acct_flag"]},
        "Ignore-Completed-Elsewhere": True,
        "Presence-ID": f"pushu@{REALM}",
        "Privacy-Method": "kazoo",
        "Outbound-Caller-ID-Name": "Acme Inc",
        "Outbound-Caller-ID-Number": "100",
        "Outbound-Callee-ID-Name": "Acme Inc",
        "Outbound-Callee-ID-Number": "100",
    }


def test_e11_formatters() -> None:
    """Formatters rewrite or strip fields of the built endpoint."""
    formatters = {
        "outbound_caller_id_number": [{"regex": r"^(\d+)$", "prefix": "9"}],
        "outbound_caller_id_name": {"strip": True},
    }
    endpoint = only(resolved(D2, more={D2: {**DOCUMENTS[D2], "formatters": formatters}}))
    assert endpoint["Outbound-Caller-ID-Number"] == "9100"
    assert "Outbound-Caller-ID-Name" not in endpoint


def test_e11_formatter_of_an_international_number() -> None:
    """The first capture, or the whole match, gets prefix and suffix."""
    formatters = {"outbound_callee_id_number": [{"regex": r"\+?64(\d{8,})$", "prefix": "0"}]}
    device = {
        **DOCUMENTS[D2],
        "caller_id": {"internal": {"number": "6491234567"}},
        "formatters": formatters,
    }
    assert only(resolved(D2, more={D2: device}))["Outbound-Callee-ID-Number"] == "091234567"


FORWARDED = {
    "pvt_type": "device",
    "device_type": "cellphone",
    "call_forward": {
        "enabled": True,
        "number": "+14155559999",
        "keep_caller_id": True,
        "require_keypress": True,
        "substitute": True,
    },
}


def test_e12_forwarded_device_as_a_reference() -> None:
    """Forwarding is resolved when the reference is looked up."""
    endpoint = only(resolved(D2, more={D2: FORWARDED}))
    assert endpoint == {**E1, "Presence-ID": f"nouser@{REALM}"}


def test_e12_forwarded_device_in_the_rich_form() -> None:
    """In the rich form a substituted device is one loopback leg with the external caller id."""
    assert only(resolved(D2, more={D2: FORWARDED}, config=RICH)) == {
        "Invite-Format": "loopback",
        "Route": "+14155559999",
        "To-DID": "nouser",
        "Bypass-Media": "false",
        "Ignore-Early-Media": True,
        "Outbound-Caller-ID-Name": "Acme Ext",
        "Outbound-Caller-ID-Number": "+14155550100",
        "Presence-ID": f"nouser@{REALM}",
        "Custom-SIP-Headers": {"X-KAZOO-INVITE-FORMAT": "contact"},
        "Custom-Channel-Vars": {
            "Account-ID": A,
            "Authorizing-ID": D2,
            "Authorizing-Type": "device",
            "Call-Forward": "true",
            "Call-Forward-From": "onnet",
            "Confirm-Cancel-Timeout": True,
            "Confirm-File": f"prompt://{A}/ivr-group_confirm/en-us",
            "Confirm-Key": "1",
            "Confirm-Read-Timeout": "7000",
            "Ignore-Early-Media": "true",
            "Require-Ignore-Early-Media": "true",
            "Loopback-Bowout": "true",
            "Simplify-Loopback": "true",
            "Loopback-Request-URI": f"sip:+14155559999@{REALM}",
            "Media-Encryption-Enforce-Security": True,
            "Require-Fail-On-Single-Reject": (
                "USER_BUSY,CALL_REJECTED,NO_ANSWER,NORMAL_CLEARING,PROGRESS_TIMEOUT"
            ),
            "Retain-CID": "true",
            "SIP-Invite-Domain": REALM,
        },
    }


def test_e13_sip_uri() -> None:
    """A SIP URI is a complete leg to that address."""
    assert only(resolved("sip:bob@example.com")) == {
        "Invite-Format": "route",
        "Route": "sip:bob@example.com",
        "To-User": "bob",
        "To-Username": "bob",
        "To-Realm": "example.com",
        "To-DID": "nouser",
        "Outbound-Caller-ID-Name": "Acme Inc",
        "Outbound-Caller-ID-Number": "100",
        "Outbound-Callee-ID-Name": "unknown",
        "Outbound-Callee-ID-Number": "nouser",
        "Presence-ID": f"bob@{REALM}",
        "Privacy-Method": "kazoo",
        "Ignore-Completed-Elsewhere": True,
        "Endpoint-Actions": {},
        "Custom-SIP-Headers": {"X-KAZOO-AOR": "sip:bob@example.com", "X-KAZOO-INVITE-FORMAT": "route"},
        "Custom-Channel-Vars": {
            "Account-ID": A,
            "Media-Encryption-Enforce-Security": True,
            "SIP-Invite-Domain": "example.com",
        },
    }


def test_e14_inline_device() -> None:
    """An inline device is a complete leg under an id of its own, in the account's realm."""
    inline = {"name": "x", "sip": {"username": "iu", "invite_format": "contact"}}
    endpoint = only(resolved(inline))
    generated = endpoint["Endpoint-ID"]
    assert len(generated) == 32
    assert int(generated, 16) >= 0
    assert endpoint == {
        "Invite-Format": "contact",
        "To-User": "iu",
        "To-Username": "iu",
        "To-Realm": REALM,
        "To-DID": "nouser",
        "Endpoint-ID": generated,
        "Outbound-Caller-ID-Name": "Acme Inc",
        "Outbound-Caller-ID-Number": "100",
        "Outbound-Callee-ID-Name": "x",
        "Outbound-Callee-ID-Number": "nouser",
        "Presence-ID": f"iu@{REALM}",
        "Privacy-Method": "kazoo",
        "Ignore-Completed-Elsewhere": True,
        "Endpoint-Actions": {},
        "Custom-SIP-Headers": {"X-KAZOO-AOR": f"sip:iu@{REALM}", "X-KAZOO-INVITE-FORMAT": "contact"},
        "Custom-Channel-Vars": {
            "Account-ID": A,
            "Authorizing-ID": generated,
            "Media-Encryption-Enforce-Security": True,
            "SIP-Invite-Domain": REALM,
        },
    }


def test_e15_rich_device() -> None:
    """Where the system is set so, a device is a complete leg with everything merged."""
    assert only(resolved(D1, config=RICH)) == {
        "Invite-Format": "contact",
        "To-User": "user_abc",
        "To-Username": "user_abc",
        "To-Realm": REALM,
        "To-DID": "nouser",
        "Codecs": ["PCMU", "PCMA"],
        "Ignore-Early-Media": "true",
        "Endpoint-Progress-Timeout": "8",
        "Endpoint-ID": D1,
        "Hold-Media": f"/{A}/moh123",
        "Ignore-Completed-Elsewhere": True,
        "Metaflows": {"binding_digit": "*"},
        "Endpoint-Actions": {},
        "Flags": {"dynamic": [], "static": ["acct_flag", "dev_flag"]},
        "Privacy-Method": "kazoo",
        "Presence-ID": f"1001@{REALM}",
        "Outbound-Caller-ID-Name": "Acme Inc",
        "Outbound-Caller-ID-Number": "100",
        "Outbound-Callee-ID-Name": "Ann Lee",
        "Outbound-Callee-ID-Number": "1001",
        "Custom-SIP-Headers": {
            "X-In": "1",
            "Alert-Info": "Bellcore-dr2",
            "X-KAZOO-AOR": f"sip:user_abc@{REALM}",
            "X-KAZOO-INVITE-FORMAT": "contact",
        },
        "Custom-Channel-Vars": {
            "Account-ID": A,
            "Authorizing-ID": D1,
            "Authorizing-Type": "device",
            "Owner-ID": U1,
            "Fax-Enabled": "true",
            "RTP-Secure-Media": "true",
            "Media-Encryption-Enforce-Security": False,
            "SIP-Invite-Domain": REALM,
        },
    }


FIXTURE_A = "account0000000000000000000044944"
USER4, DEVICE4, DEVICE5, DEVICE6 = (f"{name:0<32}" for name in ("user4", "device4", "device5", "device6"))
FIXTURE_DOCUMENTS: dict[str, dict[str, Any]] = {
    FIXTURE_A: {
        "pvt_type": "account",
        "realm": "44944.sip.2600hz.local",
        "outbound_flags": {"static": ["account_new_static_flag"], "dynamic": ["zone"]},
    },
    USER4: {
        "pvt_type": "user",
        "presence_id": "user-4",
        "caller_id": {"internal": {"name": "user4-internal-name"}},
        "outbound_flags": ["device_old_static_flag"],
    },
    DEVICE4: {
        "pvt_type": "device",
        "owner_id": USER4,
        "sip": {
            "invite_format": "contact",
            "username": "device_4",
            "route": "2600hz.local:7000",
            "ip": "10.26.20.20",
            "number": "+14158867900",
        },
    },
    DEVICE5: {
        "pvt_type": "device",
        "owner_id": USER4,
        "sip": {"realm": "44944.sip.2600hz.local"},
        "call_forward": {"enabled": True, "number": "+12223334455"},
    },
    DEVICE6: {
        "pvt_type": "device",
        "sip": {"username": "device_6"},
        "call_forward": {"enabled": False, "failover": True, "number": "+13334445555"},
    },
}


def of_fixture(*elements: str, config: EndpointConfig | None = None) -> Sequence[dict[str, Any]]:
    found = resolve(
        elements,
        FIXTURE_DOCUMENTS,
        account_id=FIXTURE_A,
        conference_id=C,
        conference=None,
        config=config,
    )
    assert found.errors == {}
    return found.endpoints


def test_e16_a_sip_device_and_a_forwarded_one() -> None:
    """A device with an address and one that is forwarded give a contact, a loopback and an empty leg."""
    contact, loopback, unregistered = of_fixture(DEVICE4, DEVICE5, config=RICH)
    assert contact["Invite-Format"] == "contact"
    assert contact["Route"] == "2600hz.local:7000"
    assert contact["To-IP"] == "10.26.20.20"
    assert contact["To-DID"] == "+14158867900"
    assert contact["Custom-Channel-Vars"]["Authorizing-ID"] == DEVICE4
    assert (loopback["Invite-Format"], loopback["Route"]) == ("loopback", "+12223334455")
    assert loopback["Custom-Channel-Vars"]["Authorizing-ID"] == DEVICE5
    assert unregistered["Invite-Format"] == "username"
    assert "To-User" not in unregistered


def test_e16_failover() -> None:
    """A device that fails over carries the forwarded leg inside its own."""
    (endpoint,) = of_fixture(DEVICE6, config=RICH)
    assert endpoint["To-User"] == "device_6"
    assert endpoint["Failover"]["Route"] == "+13334445555"
    assert endpoint["Failover"]["Custom-Channel-Vars"]["Is-Failover"] is True


def test_e16_user_as_a_reference() -> None:
    """A user's own flags come twice, since a user is its own owner."""
    (endpoint,) = of_fixture(USER4)
    assert endpoint["Presence-ID"] == "user-4@44944.sip.2600hz.local"
    assert endpoint["Outbound-Callee-ID-Name"] == "user4-internal-name"
    assert endpoint["Flags"] == {
        "static": ["account_new_static_flag", "device_old_static_flag", "device_old_static_flag"],
        "dynamic": ["zone"],
    }


def test_e18_bad_elements_count_from_one() -> None:
    """Every element that is nothing dialable has its own error, counted from 1."""
    found = resolved("1001", "12345", "abcde")
    assert found.errors == {
        "data.endpoints.2": {"enum": {"message": NOT_AN_ENDPOINT}},
        "data.endpoints.3": {"enum": {"message": NOT_AN_ENDPOINT}},
    }


def test_e19_nothing_to_dial() -> None:
    """An empty list gives no endpoints and says so."""
    found = resolved()
    assert (found.endpoints, set(found.errors)) == ((), {"data.endpoints"})


def test_order_of_endpoints() -> None:
    """Numbers come out in front, the last first; ids behind, as given (dial.md 2.1)."""
    found = resolved("1001", D2, "1002", D1)
    assert [leg.get("Route") or leg["Endpoint-ID"] for leg in found.endpoints] == ["1002", "1001", D2, D1]


def test_no_element_is_lost_twice() -> None:
    """The same device twice is dialled twice."""
    assert len(resolved(D2, D2).endpoints) == 2


@pytest.mark.parametrize("element", ["", " ", "SIPX:bob@h", "bob@h", 5, None, True, ["1000"], 1.5])
def test_nonsense_is_an_error_not_a_crash(element: Any) -> None:
    """What is no text, or an empty one, is told like a bad number."""
    assert resolved(element).errors["data.endpoints.1"] == {"enum": {"message": NOT_AN_ENDPOINT}}


def test_invalid_uri() -> None:
    """A SIP URI that cannot be read is named in its error."""
    found = resolved("1000", "sip:bob@")
    assert found.errors == {
        "data.endpoints.2": {"not_found": {"message": "URI sip:bob@ is invalid"}},
    }


def test_number_without_a_realm() -> None:
    """Without the account's document a number cannot be routed, and that is no crash."""
    found = resolve(["1000"], {}, account_id=A, conference_id=C, conference=None)
    assert found.errors["data.endpoints.1"] == {"not_found": {"message": "ID 1000 not found"}}


def test_documents_are_asked_for_in_two_goes() -> None:
    """First every id in the list with what is known to own, then the owners of what came."""
    hotdesked = "devc0000000000000000000000000009"
    inline = {"name": "x", "owner_id": "owner-of-inline"}
    first = wanted_documents(
        [D1, U1, hotdesked, "1001", "sip:bob@h", inline, 7], {**CONFERENCE, "owner_id": "owner-of-room"}
    )
    assert first == {D1, U1, hotdesked, "owner-of-inline", "owner-of-room"}
    came = {
        A: DOCUMENTS[A],
        D1: DOCUMENTS[D1],
        hotdesked: {"hotdesk": {"users": {"hot": {}, "../evil": {}}}, "owner_id": ""},
    }
    assert further_documents(came) == {U1, "hot"}
    assert further_documents({**came, U1: DOCUMENTS[U1]}) == {"hot"}


def test_fifty_endpoints_are_two_goes() -> None:
    """However many endpoints, the documents are named in two sets."""
    devices = {f"devc{number:028d}": {"pvt_type": "device", "owner_id": f"u{number}"} for number in range(50)}
    assert wanted_documents(list(devices), None) == set(devices)
    assert further_documents(devices) == {f"u{number}" for number in range(50)}


def test_several_hotdesk_users_share_nobody_s_settings() -> None:
    """A device that several people use shows its own name, and the first one's presence."""
    other = "user0000000000000000000000000002"
    device = {
        **DOCUMENTS[D2],
        "name": "Shared",
        "hotdesk": {"users": {other: {}, U1: {}}},
        "caller_id": {"internal": {"name": "Shared desk"}},
    }
    endpoint = only(resolved(D2, more={D2: device, other: {"pvt_type": "user", "first_name": "Bo"}}))
    assert endpoint["Outbound-Callee-ID-Name"] == "Shared desk"
    assert endpoint["Presence-ID"] == f"1001@{REALM}"


def test_prefer_device_caller_id() -> None:
    """An account may prefer the device's caller id to the owner's."""
    account = {**DOCUMENTS[A], "prefer_device_caller_id": True}
    endpoint = only(resolved(D1, more={A: account}))
    assert endpoint["Outbound-Callee-ID-Name"] == "Desk"


def test_rich_user_has_no_address() -> None:
    """In the rich form a user id gives nothing (recordings new-v4)."""
    assert resolved(U1, config=RICH).errors == {"data.endpoints": nothing_routable()}


@pytest.mark.parametrize(
    "sip",
    [
        {"username": "x' 1 && hupall"},
        {"username": "x", "route": "sip:a@b} {foo=bar"},
        {"username": "x", "realm": "evil\nconference"},
        {"username": "x", "proxy": "p,loopback/900"},
        {"username": "x", "ip": "10.0.0.1 |lua"},
        {"username": "x", "number": "1 2"},
    ],
)
def test_inline_devices_cannot_break_out(sip: dict[str, Any]) -> None:
    """An inline address with characters that end or split a dial string is not dialled."""
    assert resolved({"name": "x", "sip": sip}).endpoints == ()


def test_inline_devices_cannot_name_another_account() -> None:
    """Private fields of an inline device are dropped."""
    other = "0" * 32
    inline = {"name": "x", "pvt_account_id": other, "pvt_type": "device", "sip": {"username": "iu"}}
    endpoint = only(resolved(inline))
    assert endpoint["Custom-Channel-Vars"]["Account-ID"] == A
    assert other not in json.dumps(endpoint)


def test_inline_devices_obey_their_own_switches() -> None:
    """A disabled or undisturbed inline device is left out, a given id is kept."""
    assert resolved({"name": "x", "enabled": False, "sip": {"username": "a"}}).endpoints == ()
    quiet = {"name": "x", "do_not_disturb": {"enabled": True}, "sip": {"username": "a"}}
    assert resolved(quiet).endpoints == ()
    assert only(resolved({"id": "mine", "sip": {"username": "a"}}))["Endpoint-ID"] == "mine"


def test_stored_control_characters_are_not_dialled() -> None:
    """A document with a line break in what would be sent gives no leg, and the field is named."""
    device = {**DOCUMENTS[D2], "sip": {"username": "a\r\nb"}}
    for config in (EndpointConfig(), RICH):
        found = resolved(D2, more={D2: device}, config=config)
        assert found.endpoints == ()
        assert any(path.startswith("data.endpoints.1.") for path in found.errors)


def test_skype() -> None:
    """A Skype device is addressed by its user name alone."""
    device = {"pvt_type": "device", "skype": {"username": "sk"}}
    assert only(resolved(D2, more={D2: device})) == {
        "Invite-Format": "username",
        "To-User": "sk",
        "To-Username": "sk",
        "Endpoint-Type": "skype",
        "Endpoint-Options": {"Skype-RR": "true"},
    }


def test_unknown_types_may_be_refused() -> None:
    """A system may turn guessing off."""
    device = {"pvt_type": "device", "device_type": "toaster", "sip": {"username": "t"}}
    assert only(resolved(D2, more={D2: device}))["Endpoint-ID"] == D2
    strict = EndpointConfig(restrict_to_known_types=True)
    assert resolved(D2, more={D2: device}, config=strict).endpoints == ()


#: Beside the checkout; where they are missing, pytest reports these two tests as skipped.
RECORDINGS = Path(__file__).parents[3] / "fixtures" / "recorded"


def recorded_dials(variant: str) -> list[Any]:
    cases: list[Any] = []
    recording = RECORDINGS / variant / "dial.jsonl"
    for line in recording.read_text().splitlines() if recording.is_file() else ():
        case = json.loads(line)
        for step in case["steps"]:
            sent = [
                message["body"]
                for message in step.get("amqp", [])
                if message["from"] == "api" and message["body"].get("Application-Name") == "dial"
            ]
            if sent and step["request"]["method"] == "PUT":
                cases.append(pytest.param(step["request"], sent[0], id=f"{case['id']}-{step['n']}"))
    return cases


RECORDED_DOCUMENTS: dict[str, dict[str, Any]] = {
    "{{A}}": {"pvt_type": "account", "name": "main", "realm": "{{REALM}}"},
    "{{U_JOE}}": {"pvt_type": "user", "first_name": "Joe", "last_name": "User"},
    "{{D_JOE}}": {
        "pvt_type": "device",
        "name": "joe-phone",
        "owner_id": "{{U_JOE}}",
        "sip": {"username": "joephone", "invite_format": "contact"},
    },
    "{{D_LOBBY}}": {
        "pvt_type": "device",
        "name": "lobby-phone",
        "sip": {"username": "lobbyphone", "invite_format": "contact"},
    },
}


def instantiated(value: Any) -> Any:
    """The recording with ids of the right length for its variables."""
    text = json.dumps(value)
    for name in ("A", "C", "U_JOE", "D_JOE", "D_LOBBY"):
        text = text.replace("{{" + name + "}}", f"{name.lower().replace('_', ''):0>32}")
    return json.loads(text.replace("{{N}}", "23456789").replace("{{REALM}}", REALM).replace("{{X}}", "word"))


@pytest.mark.parametrize(("request_", "message"), recorded_dials("new"))
def test_recorded_dials(request_: dict[str, Any], message: dict[str, Any]) -> None:
    """What a node published is what is resolved here."""
    assert_recorded(request_, message, EndpointConfig())


@pytest.mark.parametrize(("request_", "message"), recorded_dials("new-v4"))
def test_recorded_rich_dials(request_: dict[str, Any], message: dict[str, Any]) -> None:
    """The same where the system builds complete legs."""
    assert_recorded(request_, message, RICH)


def assert_recorded(request_: dict[str, Any], message: dict[str, Any], config: EndpointConfig) -> None:
    body, sent = instantiated(request_["body"]), instantiated(message)
    data = body["data"].get("data") or body["data"]
    is_ad_hoc = sent["Conference-ID"] == "wordadhoc"
    found = resolve(
        data["endpoints"],
        instantiated(RECORDED_DOCUMENTS),
        account_id=sent["Account-ID"],
        conference_id=sent["Conference-ID"],
        conference=None if is_ad_hoc else {"pvt_type": "conference", "name": "word room"},
        config=config,
    )
    assert list(found.endpoints) == sent["Endpoints"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)
device_fields = st.sampled_from(
    [
        "sip",
        "media",
        "push",
        "skype",
        "caller_id",
        "call_forward",
        "hotdesk",
        "outbound_flags",
        "formatters",
        "do_not_disturb",
        "music_on_hold",
        "metaflows",
        "presence_id",
        "device_type",
        "owner_id",
        "name",
        "enabled",
        "caller_id_options",
        "ringtones",
    ]
)
documents = st.fixed_dictionaries(
    {"pvt_type": st.sampled_from(["device", "user", "conference"])},
    optional={"x": json_values},
).flatmap(
    lambda base: st.dictionaries(device_fields, json_values, max_size=6).map(lambda more: {**base, **more})
)


@given(
    elements=st.lists(
        json_values | st.just(D1) | st.just(U1) | st.text(min_size=32, max_size=32), max_size=4
    ),
    device=documents,
    user=documents,
    account=documents,
    is_rich=st.booleans(),
)
def test_no_document_or_element_crashes(
    elements: list[Any], device: dict[str, Any], user: dict[str, Any], account: dict[str, Any], is_rich: bool
) -> None:
    """Whatever was stored or sent, an answer comes, and it is JSON."""
    found = resolve(
        [*elements, D1],
        {A: account, D1: device, U1: user},
        account_id=A,
        conference_id=C,
        conference=user,
        config=RICH if is_rich else None,
    )
    json.dumps([found.endpoints, found.errors])
    wanted_documents(elements, user)
    further_documents({A: account, D1: device})


def _with_rules(number: int, rules: Any) -> dict[str, Any]:
    return {"id": f"inline-{number}", "sip": {"username": "x"}, "formatters": {"to_user": rules}}


def test_formatters_of_all_endpoints_have_one_budget() -> None:
    """A hundred small devices with hostile patterns end in an error that names the first too many."""
    rules = [{"regex": f"(a?){{{count}}}(a?){{100}}{count}b"} for count in range(1, 8)]
    devices = [_with_rules(number, rules) for number in range(100)]
    for device in devices:
        device["sip"] = {"username": "a" * 128}
    found = resolved(*devices)
    (place,) = set(found.errors) - {"data.endpoints"}
    assert found.errors[place] == {"maximum": {"message": TOO_MUCH_WORK}}
    assert 1 < int(place.rpartition(".")[2]) < 100
    many = [_with_rules(number, [{"regex": f"^{number}$"}]) for number in range(100)]
    assert set(resolved(*many).errors) == {"data.endpoints.51"}


def test_a_device_named_again_is_formatted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred times the same device are a hundred legs and the work of one."""
    asked: list[str] = []
    search = WorkBudget.search

    def counted(budget: WorkBudget, pattern: str, text: str) -> str | None:
        asked.append(pattern)
        return search(budget, pattern, text)

    monkeypatch.setattr(WorkBudget, "search", counted)
    device = {
        **DOCUMENTS[D2],
        "formatters": {"presence_id": [{"regex": "^x"}, {"regex": "^(p)", "prefix": "x"}]},
    }
    found = resolved(*[D2] * 100, more={D2: device})
    assert [leg["Presence-ID"] for leg in found.endpoints] == ["xp"] * 100
    assert asked == ["^x", "^(p)"]


@pytest.mark.parametrize("config", [RICH, None])
def test_music_on_hold_is_what_may_be_played(config: EndpointConfig | None) -> None:
    """Of a stored device and of one in the request: what is not on the list of media is told."""
    for media in ("local_stream://x", "http://127.0.0.1/", f"/{'b' * 32}/x"):
        stored = {**DOCUMENTS[D2], "music_on_hold": {"media_id": media}}
        inline = {"sip": {"username": "x"}, "music_on_hold": {"media_id": media}}
        assert resolved(inline, inline, config=config).refused_media == (media,)
        found = resolved(D2, more={D2: stored}, config=config)
        # A reference is looked up by the media side, which has the device's music itself.
        assert found.refused_media == ((media,) if config is RICH else ())
    allowed = EndpointConfig(endpoint_module=RICH_MODULE, private_media_hosts=("moh",))
    inline = {"sip": {"username": "x"}, "music_on_hold": {"media_id": "http://moh/x.mp3"}}
    assert only(resolved(inline, config=allowed))["Hold-Media"] == "http://moh/x.mp3"


def test_settings_that_are_too_large_together() -> None:
    """What each leg and its caller take along from the account's document is counted before it is merged."""
    many = {f"key-{number}": {"a": "b"} for number in range(2_000)}
    account = {**DOCUMENTS[A], "metaflows": many}
    ids = [f"device{number:026}" for number in range(100)]
    more = {A: account, **dict.fromkeys(ids, DOCUMENTS[D2])}
    found = resolved(*ids, more=more)
    assert found.errors == {"data.endpoints.25": {"maximum": {"message": TOO_MUCH_WORK}}}
    assert resolved(*[ids[0]] * 100, more=more).errors == {}


@pytest.mark.parametrize(
    "held",
    [
        {"metaflows": {"patterns": {str(number): "x" * 8_000 for number in range(100)}}},
        {"outbound_flags": {"static": ["f" * 255] * 3_000}},
        {"sip": {"username": "u", "custom_sip_headers": {f"X-{n}": "v" * 2_000 for n in range(400)}}},
        {"push": {"Token-Proxy": "p.example.com", **{f"K{n}": "v" * 2_000 for n in range(400)}}},
    ],
)
@pytest.mark.parametrize("is_one", [True, False])
def test_what_one_document_holds_is_not_sent_a_hundred_times(held: dict[str, Any], is_one: bool) -> None:
    """A short list of devices with much in them is no message of hundreds of megabytes: all legs of a dial
    share one bound, also those of a device that is named again."""
    device = {**DOCUMENTS[D2], **held}
    ids = [D2] * 100 if is_one else [f"device{number:026}" for number in range(100)]
    found = resolved(*ids, more=dict.fromkeys(ids, device), config=RICH)
    (place,) = found.errors
    assert found.errors[place] == {"maximum": {"message": TOO_MUCH_WORK}}
    assert 2 <= len(found.endpoints) < 10


def test_a_device_that_many_users_share_is_not_many_documents() -> None:
    """However many are logged in at a device, a bounded number of their documents is read."""
    device = {**DOCUMENTS[D2], "hotdesk": {"users": {f"user{n:028}": {} for n in range(10_000)}}}
    assert len(further_documents({D2: device})) <= 21
    assert len(wanted_documents([device], None)) <= 21
    assert resolved(D2, more={D2: device}, config=RICH).errors == {}


@pytest.mark.parametrize("config", [RICH, None])
def test_a_long_name_keeps_nobody_from_being_called(config: EndpointConfig | None) -> None:
    """A name of megabytes, of whoever is called or of the conference, is cut before anything is counted."""
    long = "x" * 5_000_000
    device = {**DOCUMENTS[D2], "name": long}
    found = resolved(*[D2] * 100, more={D2: device}, config=config)
    assert (found.errors, len(found.endpoints)) == ({}, 100)


def test_written_for_people() -> None:
    """Numbers with what people put between the digits, and SIP addresses in any case, are dialled as such."""
    found = resolved("+1 (415) 555-0100", "tel:+44-20-7946-0958", "SIPS:bob@example.com")
    assert found.errors == {}
    sip, tel, number = found.endpoints
    assert (number["Route"], number["To-DID"]) == ("+14155550100", "+14155550100")
    assert number["Custom-Channel-Vars"]["Request-URI"].startswith("+14155550100@")
    assert tel["Route"] == "+442079460958"
    assert (sip["Route"], sip["SIP-Transport"]) == ("sips:bob@example.com", "tls")
