"""Several worker processes on one host, and the supervisor that keeps them.

The supervisor binds the ports once and every worker accepts from the same listening sockets. So a
worker that dies or is replaced takes no waiting connection with it: the others accept it. (With
SO_REUSEPORT each process has a queue of its own, and what waits in it is lost with the process.)
gunicorn's workers would do the same, but could share neither rate tokens nor metrics nor the role
of the one who advertises the node.
"""
