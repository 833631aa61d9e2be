"""The whole service as one supervised tree of processes on one machine.

    supervisor --- broker     an embedded Redis-compatible server
               |-- web        gunicorn, on a socket that the supervisor holds
               |-- worker     Celery
               |-- beat       Celery's clock
               `-- flower     on wish

The tree needs its supervisor to be mended, not to work: when the supervisor is
killed the others carry on, and the next one ends and replaces them.
"""
