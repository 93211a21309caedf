"""The virtual switch: speaks ecallmgr's side of the bus, for demos, tests and users' own CI."""
