"""A private PostgreSQL and RabbitMQ of the checkout, on their own ports; `python -m deploy.local.services`.

May touch: its own folder and ports, apt when root, a running Docker daemon. Never a server on a standard port.
Standard library only.
"""
