from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences import settings as room
from crossbar_conferences.settings import SETTINGS, Settings, SettingsError, ZoneUrl
from crossbar_conferences.settings.table import setting
from crossbar_conferences.settings.values import parse

CONFIG = """\
[zone]
name = east
amqp_uri = "amqp://kz:SECRET1@rabbit1.east:5672"
[zone]
name = west
amqp_uri = "amqp://kz:SECRET2@rabbit1.west:5672"
[bigcouch]
ip = 10.0.0.9
username = kzadmin
password = SECRET3
[crossbar_conferences]
zone = east
cookie = change_me
http_port = 8123
live_mode = search
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.ini"
    path.write_text(CONFIG)
    return path


def load(
    path: Path | None = None, flags: dict[str, str] | None = None, environ: dict[str, str] | None = None
) -> Settings:
    where = {"KAZOO_CONFIG": str(path)} if path else {}
    return room.load(flags, {**where, **(environ or {})}, hostname="apps1.example.com", candidates=())


def test_defaults_without_any_file() -> None:
    """Nothing given: the table's defaults, Kazoo's addresses, a name made of the host's."""
    settings = load()
    assert settings.http_port == 8000
    assert settings.body_limit_bytes == 8_000_000
    assert settings.search_timeout_ms == 2000
    assert settings.charge_valid_tokens is False
    assert settings.node_name == "crossbar_conferences@apps1.example.com"
    assert settings.zone == "local"
    assert settings.couchdb_url == "http://localhost:5984"
    assert settings.amqp_urls == ("amqp://guest:guest@localhost:5672",)
    assert set(settings.origins.values()) == {"default"}


def test_a_cluster_file(config: Path) -> None:
    """An existing config.ini gives zone, brokers, CouchDB and our own section's values, with their lines."""
    settings = load(config)
    assert settings.zone == "east"
    assert settings.amqp_urls == ("amqp://kz:SECRET1@rabbit1.east:5672",)
    assert settings.amqp_zone_urls == (ZoneUrl("west", "amqp://kz:SECRET2@rabbit1.west:5672"),)
    assert settings.couchdb_url == "http://10.0.0.9:5984"
    assert (settings.couchdb_user, settings.couchdb_password) == ("kzadmin", "SECRET3")
    assert settings.http_port == 8123
    assert settings.origins["http_port"] == f"{config}:14"
    assert settings.origins["couchdb_password"] == f"{config}:10"
    assert settings.origins["zone"] == f"{config}:12"
    assert settings.origins["config_file"] == "KAZOO_CONFIG"


def test_flag_over_variable_over_file(config: Path) -> None:
    """The command line is stronger than the environment, which is stronger than the file."""
    environ = {"CROSSBAR_CONFERENCES_HTTP_PORT": "8200", "CROSSBAR_CONFERENCES_ZONE": "west"}
    settings = load(config, {"http_port": "8300"}, environ)
    assert (settings.http_port, settings.origins["http_port"]) == (8300, "--http-port")
    assert (settings.zone, settings.origins["zone"]) == ("west", "CROSSBAR_CONFERENCES_ZONE")
    assert settings.amqp_urls == ("amqp://kz:SECRET2@rabbit1.west:5672",)


def test_another_couchdb_gets_no_credentials_of_the_file(config: Path) -> None:
    """A URL from elsewhere is not sent the file's password; it may carry its own."""
    bare = load(config, {"couchdb_url": "http://127.0.0.1:5985"})
    assert (bare.couchdb_user, bare.couchdb_password) == ("", "")
    full = load(config, {"couchdb_url": "http://us%40er:p%2Fw@127.0.0.1:5985/"})
    assert full.couchdb_url == "http://127.0.0.1:5985/"
    assert (full.couchdb_user, full.couchdb_password) == ("us@er", "p/w")
    assert full.origins["couchdb_password"] == "--couchdb-url"


def test_lists() -> None:
    """Lists are separated by commas or spaces."""
    environ = {
        "CROSSBAR_CONFERENCES_AMQP_URLS": "amqp://a, amqps://b:5671",
        "CROSSBAR_CONFERENCES_AMQP_ZONE_URLS": "west=amqp://c west=amqp://d",
        "CROSSBAR_CONFERENCES_REVERSE_PROXIES": "127.0.0.1,::1",
    }
    settings = load(environ=environ)
    assert settings.amqp_urls == ("amqp://a", "amqps://b:5671")
    assert settings.amqp_zone_urls == (ZoneUrl("west", "amqp://c"), ZoneUrl("west", "amqp://d"))
    assert settings.reverse_proxies == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("flags", "environ", "text"),
    [
        ({"http_port": "x"}, {}, "--http-port: http_port must be an integer"),
        ({"http_port": "70000"}, {}, "--http-port: http_port must be at most 65535"),
        ({"http_port": "-1"}, {}, "--http-port: http_port must be at least 0"),
        ({"nonsense": "1"}, {}, "--nonsense: there is no such setting"),
        ({"node_name": "nohost"}, {}, "--node-name: node_name must be NAME@HOST"),
        ({"config_file": "/none\x00"}, {}, "--config-file: config_file contains control characters"),
        (
            {},
            {"CROSSBAR_CONFERENCES_LIVE_MODE": "SECRET"},
            "CROSSBAR_CONFERENCES_LIVE_MODE: live_mode must be one of events, search",
        ),
        (
            {},
            {"CROSSBAR_CONFERENCES_REUSE_PORT": "SECRET"},
            "CROSSBAR_CONFERENCES_REUSE_PORT: reuse_port must be true or false",
        ),
        (
            {},
            {"CROSSBAR_CONFERENCES_STORE_TIMEOUT_SECONDS": "nan"},
            "CROSSBAR_CONFERENCES_STORE_TIMEOUT_SECONDS: store_timeout_seconds must be a number",
        ),
        (
            {},
            {"CROSSBAR_CONFERENCES_COUCHDB_URL": "amqp://u:SECRET@h"},
            "CROSSBAR_CONFERENCES_COUCHDB_URL: couchdb_url must be a URL such as http://host:port",
        ),
        (
            {},
            {"CROSSBAR_CONFERENCES_AMQP_URLS": "amqp://u:SECRET/x@h:1"},
            "CROSSBAR_CONFERENCES_AMQP_URLS: amqp_urls must be a URL such as amqp://host:port",
        ),
        (
            {},
            {"CROSSBAR_CONFERENCES_AMQP_ZONE_URLS": "amqp://u:SECRET@h?a=b"},
            "CROSSBAR_CONFERENCES_AMQP_ZONE_URLS: amqp_zone_urls must be a list of ZONE=URL",
        ),
        (
            {"reverse_proxies": "10.0.0.1 10.0.0.0/8 ::1 proxy.example.com"},
            {},
            "--reverse-proxies: reverse_proxies must be addresses or networks",
        ),
    ],
)
def test_a_bad_value_names_its_place_and_not_itself(
    flags: dict[str, str], environ: dict[str, str], text: str
) -> None:
    """The message names the flag or the variable and what is expected, never the value."""
    with pytest.raises(SettingsError) as caught:
        load(flags=flags, environ=environ)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("http_prot = 8000", "there is no setting 'http_prot'"),
        ("http_port = SECRET", "http_port must be an integer"),
    ],
)
def test_a_bad_value_in_our_section(tmp_path: Path, line: str, text: str) -> None:
    """A bad value or a misspelt name in the file is told with its line."""
    path = tmp_path / "config.ini"
    path.write_text(f"[crossbar_conferences]\n{line}\n")
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert str(caught.value) == f"{path}:2: {text}"


def test_a_bad_broker_in_the_file(tmp_path: Path) -> None:
    """A broker that is no URL is told with its line, without its password."""
    path = tmp_path / "config.ini"
    path.write_text('[amqp]\nuri = "http://u:SECRET@h"\n')
    with pytest.raises(SettingsError, match=f"^{path}:2: ") as caught:
        load(path)
    assert "SECRET" not in str(caught.value)


def test_a_missing_file_that_was_named(tmp_path: Path) -> None:
    """A file that the operator named must be there."""
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "none.ini")


def test_no_secret_is_shown(config: Path) -> None:
    """Neither the description nor the repr of the settings holds a password."""
    settings = load(config)
    shown = room.as_text(settings) + json.dumps(room.as_object(settings)) + repr(settings)
    assert "SECRET" not in shown
    rows = {row.name: row for row in room.describe(settings)}
    assert rows["couchdb_password"].value == "***"
    assert rows["amqp_urls"].value == "amqp://kz:***@rabbit1.east:5672"
    assert rows["amqp_zone_urls"].value == "west=amqp://kz:***@rabbit1.west:5672"
    assert rows["http_port"].origin == f"{config}:14"
    assert rows["reuse_port"].value == "false"


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("amqp://h:1/v", "amqp://h:1/v"),
        ("amqp://u@h", "amqp://u@h"),
        ("amqp://u:p:q@h", "amqp://u:***@h"),
        ("amqp://u:p@q@h", "amqp://u:***@h"),
        ("http://:p@h/x@y", "http://:***@h/x@y"),
    ],
)
def test_masked_urls(url: str, masked: str) -> None:
    """Only the password goes, whatever signs it has."""
    assert room.mask_url(url) == masked


def test_the_table_is_whole() -> None:
    """Every row has a help, a unique name, and no name that container orchestrators set."""
    names = [row.name for row in SETTINGS]
    assert len(set(names)) == len(names)
    assert {field.name for field in dataclasses.fields(Settings)} == {*names, "origins"}
    assert all(row.help for row in SETTINGS)
    assert not {name for name in names if name in ("host", "port") or name.startswith("service_")}


def test_misspelt_variables_are_found() -> None:
    """Variables that look like settings and are none can be listed."""
    environ = {"CROSSBAR_CONFERENCES_HTTP_PROT": "1", "CROSSBAR_CONFERENCES_ZONE": "a", "PATH": "x"}
    assert room.unknown_variables(environ) == ["CROSSBAR_CONFERENCES_HTTP_PROT"]


@click.command()
@click.option("--own", default="x")
@room.options()
def show(settings: Settings, own: str) -> None:
    click.echo(f"{settings.http_port} {settings.reuse_port} {own}")


def test_flags_of_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command gets one flag for each setting and the effective settings."""
    monkeypatch.setenv("CROSSBAR_CONFERENCES_HTTP_PORT", "8200")
    monkeypatch.delenv("KAZOO_CONFIG", raising=False)
    result = CliRunner().invoke(show, ["--reuse-port", "--own", "y"])
    assert (result.exit_code, result.output) == (0, "8200 True y\n")
    result = CliRunner().invoke(show, ["--no-reuse-port", "--http-port", "1"])
    assert result.output == "1 False x\n"
    assert "--couchdb-password" in CliRunner().invoke(show, ["--help"]).output


def test_a_bad_flag_exits_with_status_2() -> None:
    """A bad value ends a command with status 2 and one line."""
    result = CliRunner().invoke(show, ["--http-port", "x"])
    assert result.exit_code == 2
    assert result.output == "Error: --http-port: http_port must be an integer\n"


def test_flags_of_unknown_settings_are_a_programming_error() -> None:
    """Naming a setting that is none fails when the command is made."""
    with pytest.raises(ValueError, match="nonsense"):
        room.options("nonsense")


@given(st.sampled_from(SETTINGS), st.text(max_size=40))
def test_no_text_raises_anything_else(row: room.Setting, text: str) -> None:
    """Any text for any setting is a value or a SettingsError."""
    with suppress(SettingsError):
        parse(row, text, "here")


@given(st.text(alphabet="htpamq:/[]@.%=,1 ", max_size=30))
def test_no_url_raises_anything_else(text: str) -> None:
    """Any arrangement of a URL's signs is a value or a SettingsError."""
    for name in ("couchdb_url", "amqp_urls", "amqp_zone_urls"):
        with suppress(SettingsError):
            parse(setting(name), text, "here")


@pytest.mark.parametrize(
    ("own", "completed", "name"),
    [
        ("apps1.example.com", "unused", "apps1.example.com"),
        ("apps1", "apps1.example.com", "apps1.example.com"),
        # /etc/hosts may name localhost first, and a resolver anything at all.
        ("vm", "localhost", "vm"),
        ("vm", "vm", "vm"),
        ("apps1", "apps12.example.com", "apps1"),
        ("apps1", "other.example.com", "apps1"),
    ],
)
def test_the_node_has_the_name_of_its_host(
    own: str, completed: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the resolver says counts only where it completes the host's own name; sections of config.ini that
    are for this host are found by the same name."""
    monkeypatch.setattr("socket.gethostname", lambda: own)
    monkeypatch.setattr("socket.getfqdn", lambda: completed)
    path = tmp_path / "config.ini"
    path.write_text(f"[crossbar_conferences]\nhost = {own}\nhttp_port = 8123\n")
    settings = room.load({}, {"KAZOO_CONFIG": str(path)}, candidates=())
    assert settings.node_name == f"crossbar_conferences@{name}"
    assert settings.http_port == 8123
