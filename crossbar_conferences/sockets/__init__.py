"""The websocket that Kazoo's clients speak (blackhole's protocol), and the same stream for plain HTTP."""
