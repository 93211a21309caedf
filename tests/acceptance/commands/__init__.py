"""A package, so that its fixture of package scope ends with it: the switch there would take others' dials."""
