"""Which media may be played, and under what name it goes out (data.md 10, real-switch.md D.3)."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crossbar_conferences.conference.media import MediaRefused, media_locator

A, B, C = "a" * 32, "b" * 32, "c" * 32
#: The databases' names of both accounts, as a client could spell them.
OWN_DATABASE = f"account%2F{A[:2]}%2F{A[2:4]}%2F{A[4:]}"
OTHER_DATABASE = f"account%2F{B[:2]}%2F{B[2:4]}%2F{B[4:]}"


@pytest.mark.parametrize("media_id", ["c" * 32, "greeting", "moh123", "a.wav", "silence", "x_y-z"])
def test_ids_are_the_account_s(media_id: str) -> None:
    """A bare id means a document of the account's, whatever it is called."""
    assert media_locator(media_id, A) == f"/{A}/{media_id}"


@pytest.mark.parametrize(
    "media_id",
    [
        f"/{A}/mine",
        f"/{A}/en-us%2Fqueue",
        "/system_media/conf-welcome",
        "/system_media/en-us%2fconf-welcome",
        "system_media/x",
        "prompt://system_media/conf-welcome/en-us",
        f"prompt://{A}/ivr-group_confirm/fr_CA",
        f"prompt://{A}/welcome",
        "silence_stream://100",
        "silence_stream://-1",
        "silence_stream://10000,1400",
        "tone_stream://%(500,0,440)",
        "tone_stream://%(500,0,440);loops=2",
        "tone_stream://%(2000,4000,440,480);loops=-1",
        "tone_stream://v=-7;l=2;%(300,100,440,880)",
        "tone_stream://v=-7.5;%(100,100,1400.5)%(200,0,350.25,440);v=0;L=3;%(1,1,1)",
        "https://media.example.com/a.mp3",
        "http://media.example:8080/a%20b/c.wav?x=1&y=(2)#t=3",
        "http://xn--mller-kva.example/@x",
        "http://8.8.8.8/x.wav",
    ],
)
def test_what_is_listed_goes_out_as_it_is(media_id: str) -> None:
    """Own and system media, prompts of both, tones, silence, and addresses outside."""
    assert media_locator(media_id, A, C) == media_id


@pytest.mark.parametrize(
    "media_id",
    [
        "",
        ".",
        "..",
        "-v",
        "_design",
        "en-us/foo",
        "/tmp/x.mp3",
        "//etc/passwd",
        "/etc",
        "../../etc/passwd",
        # Other accounts, however they are spelled.
        f"/{B}/x",
        f"{B}/x",
        f"//{B}/x",
        f"{B}%2Fx",
        f"/{B}%2Fx",
        f"{OTHER_DATABASE}/x",
        f"/{OTHER_DATABASE}/x",
        f"account/{B[:2]}/{B[2:4]}/{B[4:]}/x",
        f"{OWN_DATABASE}/x",
        f"/{A.upper()}/x",
        f"/{A}/../{B}/x",
        f"/{A}/..%2F{B}",
        f"/{A}/account%2Fx",
        f"/{A}/{B}/x",
        f"/{A}//x",
        f"/{A}/",
        f"/{A}",
        f"/system_media/../{B}/x",
        "/system_media/..%2Fx",
        "/system_media",
        f"system_media%2F..%2F{B}%2Fx",
        f"prompt://{B}/welcome/en-us",
        f"prompt://{OWN_DATABASE}/welcome/en-us",
        f"prompt://{A}/../{B}/x",
        f"prompt://{A}/welcome/en-us/x",
        f"prompt://{A}/welcome/../x",
        "prompt://system_media",
        "prompt://",
        "prompt:welcome",
        # What opens files of the switch, runs something or reaches elsewhere.
        "local_stream://default",
        f"local_stream://{A}_{C}.mp3",
        f"local_stream://{B}_{C}.mp3",
        f"LOCAL_STREAM://{B}_{C}.mp3",
        "local_stream:///var/x.wav",
        "shell_stream://id",
        "shell_stream:///bin/sh /tmp/x",
        "file:/x",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "file:x",
        "file_string://a.wav!/etc/passwd",
        f"file_string:///{A}/a!/{A}/b",
        "http_cache://file:///etc/passwd",
        "http_cache://http://127.0.0.1/",
        "http_cache://https://media.example.com/a.wav",
        "https_cache://x",
        "rec://x",
        "av://x",
        "avformat://x",
        "native_file:///x",
        "vlc://x",
        "lua://x",
        "python://x",
        "api://system",
        "shout://media.example.com/x",
        "rtmp://media.example.com/x",
        "tts://hello",
        "tts://flite|kal|hi",
        "say:hello",
        "say:hello world",
        "dingaling://x",
        "HTTP://media.example.com/x",
        "Https://media.example.com/x",
        "Tone_Stream://%(500,0,440)",
        # A tone stream has a grammar of its own.
        "tone_stream://",
        "tone_stream://path=/etc/passwd",
        "tone_stream://PATH=/etc/passwd",
        "tone_stream://%(500,0,440);path=/x",
        "tone_stream://v=1",
        "tone_stream://%(500,0)",
        "tone_stream://%(500,0,440",
        "tone_stream://%(500,0,440))",
        "tone_stream://%(,,)",
        "tone_stream://%(-5,0,440)",
        "tone_stream://l=-1;%(500,0,440)",
        "tone_stream://L=9999;%(500,0,440)",
        "tone_stream://l=9999;%(500,0,440)",
        "tone_stream://l=9999;L=9999;%(0,0,440)",
        "tone_stream://%(999999,0,440)",
        "tone_stream://c=9;%(5,0,440)",
        "tone_stream://r=999999;%(5,0,440)",
        "tone_stream://d=999999;1",
        "tone_stream://loops=2;%(500,0,440)",
        "tone_stream://%(500,0" + ",440" * 19 + ")",
        "tone_stream://123",
        "silence_stream://",
        "silence_stream://-2",
        "silence_stream://1e9",
        "silence_stream://99999999",
        "silence_stream://5,",
        "silence_stream://5/../x",
        # An address has a host outside.
        "http://",
        "https:///x",
        "http:/media.example.com/x",
        "http:media.example.com",
        "http://media.example.com:0/x",
        "http://media.example.com:99999/x",
        "http://media.example.com:/x",
        "http://media.example.com!x",
        "http://media.example.com/a!b",
        "http://media.example.com/$x",
        "http://media.example.com/[x]",
        "http://media.example.com/ä",
        "http://us:pw@media.example.com/x",
        # Readers of addresses differ in where the host of these ends.
        "http://media.example.com?@127.0.0.1/x",
        "http://media.example.com#@127.0.0.1/x",
        "http://media.example.com:80?@127.0.0.1/x",
    ],
)
def test_all_else_is_refused(media_id: str) -> None:
    """Neither files of the switch, nor other accounts' media, nor schemes nobody listed."""
    with pytest.raises(MediaRefused) as refused:
        media_locator(media_id, A, C)
    assert refused.value.text == media_id
    assert not refused.value.is_hostile


INSIDE = [
    *("127.0.0.1", "127.1", "127.0.1", "127.255.0.1", "0.0.0.0", "0", "2130706433", "017700000001"),
    *("0177.0.0.1", "0x7f.1", "0x7f000001", "0x7f.0x0.0x0.0x1", "0X7F.0.0.1", "127.000.000.001"),
    *("10.0.0.1", "10.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.1", "100.64.0.1"),
    *("169.254.169.254", "169.254.0.1", "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1"),
    *("192.0.0.192", "192.0.0.9"),
    *("168.63.129.16", "100.100.100.200", "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "[fd00::1]", "::1"),
    *("[2606:4700::1]", "localhost", "LOCALHOST", "localhost.", "a.localhost", "couchdb", "h", "x.local"),
    *("kubernetes.default.svc", "couchdb.default.svc.cluster.local", "metadata.google.internal", "x.lan"),
    *("router.home", "router.home.arpa", "x.corp", "x.intranet", "x.localdomain", "rabbit.consul", "a..b"),
    *(
        "media.example.com.",
        ".example.com",
        "-a.example.com",
        "a-.example.com",
        "a_b.example.com",
        "a.1",
        "a.1b",
    ),
    *(
        "%31%32%37.0.0.1",
        "127.0.0.1%2f",
        "127%2E0%2E0%2E1",
        "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
        "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
        "127\u30020\u30020\u30021",
    ),
    *("\u24dbocalhost", "a@127.0.0.1", "media.example.com@127.0.0.1", "127.0.0.1:80@media.example.com"),
    *("media.example.com:80@127.0.0.1", "a\u200b.example.com", "x" * 64 + ".example.com"),
    "a." * 130 + "com",
]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", INSIDE)
def test_addresses_inside_are_refused(scheme: str, host: str) -> None:
    """The switch is sent to no inside service, in whatever spelling its address comes."""
    for address in (f"{scheme}://{host}/x.wav", f"{scheme}://{host}", f"{scheme}://{host}:5984/_all_dbs"):
        with pytest.raises(MediaRefused) as refused:
            media_locator(address, A)
        assert not refused.value.is_hostile


@pytest.mark.parametrize(
    ("allowed", "address", "is_played"),
    [
        ("moh", "http://moh/x.mp3", True),
        ("MOH", "http://moh:8080/x.mp3", True),
        ("moh:8080", "http://moh:8080/x.mp3", True),
        ("moh:8080", "http://moh/x.mp3", False),
        ("moh", "http://moh2/x.mp3", False),
        ("moh", "http://a.moh/x.mp3", True),
        ("moh.internal", "http://evil.moh.internal/x", False),
        ("10.1.0.0/16", "http://10.1.255.3/x", True),
        ("10.1.0.0/16", "http://10.2.0.1/x", False),
        ("10.1.0.0/16:80", "http://10.1.0.1:80/x", True),
        ("10.1.0.0/16:80", "http://10.1.0.1:5984/x", False),
        ("127.0.0.1", "https://127.0.0.1:9/x", True),
        ("127.0.0.1", "https://2130706433/x", False),
        ("127.0.0.1", "http://a@127.0.0.1/x", False),
    ],
)
def test_hosts_that_an_operator_allows(allowed: str, address: str, is_played: bool) -> None:
    """A name, address or network of the setting opens that and nothing else."""
    try:
        media_locator(address, A, allow_private_hosts=("other.example", allowed))
        played = True
    except MediaRefused:
        played = False
    assert played is is_played


@pytest.mark.parametrize(
    "media_id",
    [
        "x' y",
        'x"',
        "a b",
        "a\nb",
        "a\x00b",
        "a\u2028b",
        "${system(id)}",
        "$${x}",
        "a\\b",
        "a|b",
        "`id`",
        "{a=b}c",
        "  ",
        "x" * 2049,
        "http://media.example.com/'x",
        "tone_stream://%(1, 2,3)",
        "\ud800",
    ],
)
def test_hostile_texts_are_told_apart(media_id: str) -> None:
    """Signs that a command line is made of are an error of the text, not of the name."""
    with pytest.raises(MediaRefused) as refused:
        media_locator(media_id, A)
    assert refused.value.is_hostile


_PARTS = st.sampled_from(
    [
        A,
        B,
        OTHER_DATABASE,
        "account",
        "system_media",
        "prompt",
        "tone_stream",
        "silence_stream",
        "http",
        "https",
        "://",
        ":",
        "/",
        "//",
        "..",
        ".",
        "%2F",
        "%(1,2,3)",
        ";",
        "loops=2",
        "l=3",
        "path=",
        "127.0.0.1",
        "x.com",
        "localhost",
        "@",
        "!",
        "$",
        "{",
        "}",
        "]",
        "'",
        " ",
        "x",
        "1",
        "file",
        "local_stream",
        "?",
        "#",
        "0x7f.1",
    ]
)
#: What FreeSWITCH or ecallmgr would read in a name.
_NEVER = set("'\"`\\^|<>{}[]!$ \t\r\n")


@given(st.lists(_PARTS, max_size=8).map("".join) | st.text(max_size=40))
@example(f"/{B}/x")
def test_whatever_passes_is_of_the_list(text: str) -> None:
    """Written down once more, from the other side: what leaves is own, the system's, made or outside."""
    try:
        name = media_locator(text, A, C)
    except MediaRefused:
        return
    assert not set(name) & _NEVER
    assert name.isascii()
    assert ".." not in name.split("/")
    scheme, separator, rest = name.partition("://")
    if not separator:
        first, second = name.removeprefix("/").split("/")
        assert first in (A, "system_media")
        assert second
    elif scheme == "prompt":
        assert rest.split("/")[0] in (A, "system_media")
    elif scheme in ("http", "https"):
        found = urlsplit(name)
        assert found.username is None
        assert found.hostname is not None
        assert "." in found.hostname
        try:
            assert ip_address(found.hostname).is_global
        except ValueError:
            assert found.hostname.rpartition(".")[2].isalpha()
    else:
        assert scheme in ("tone_stream", "silence_stream")
        assert "path" not in rest.lower()
        assert "-" not in rest.replace("loops=-", "").replace("v=-", "").replace("-1", "")
