"""The names and versions under which Kazoo's apps speak; ours must be the same per message kind.

Each is a pair for ``Origin(*pair, node)``. Source: amqp.md 4, 6.1, 8.
"""

from __future__ import annotations

#: The HTTP side: searches, dial, vars, channel queries, notifications.
CROSSBAR = ("crossbar", "4.0.0")
#: Conference commands other than dial and vars (amqp.md 6.1).
KAPPS_CONFERENCE = ("kapps_conference", "1.0.0")
#: Document changes (amqp.md 8).
DATAMGR = ("datamgr", "4.0.0")
#: Heartbeats (amqp.md 3.4).
KZ_NODES = ("kz_nodes", "4.0.0")
#: The media side's answers.
ECALLMGR = ("ecallmgr", "5.0.0")
#: The media side's conference events (amqp.md 7.3).
FREESWITCH = ("freeswitch", "1.0")
#: What handles notifications (amqp.md 9).
TELETYPE = ("teletype", "4.0.0")
